use std::time::Duration;

use bearward_token::ManualClock;

use super::*;
use crate::promises::{NOW_MS, keeps_promises, place, secret, text};
use crate::store::TOMBSTONE_LIFETIME;

keeps_promises!(super::fresh);

async fn fresh() -> (Memory, Arc<ManualClock>, ()) {
    let clock = Arc::new(ManualClock::at_unix_ms(NOW_MS));
    (Memory::new(100, clock.clone()), clock, ())
}

fn small(limit: usize) -> (Memory, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at_unix_ms(NOW_MS));
    (Memory::new(limit, clock.clone()), clock)
}

#[tokio::test]
async fn a_full_store_takes_no_new_place_and_serves_those_it_has() {
    let (store, _) = small(2);
    for n in [1, 2] {
        store.put(&place(n), secret("x"), None, Expected::Absent).await.unwrap();
    }
    let refused = store.put(&place(3), secret("x"), None, Expected::Absent).await;
    assert_eq!(refused, Err(StoreError::Full { limit: 2 }));
    store.put(&place(2), secret("y"), None, Expected::Any).await.unwrap();
    assert_eq!(text(&store, &place(2)).await.unwrap(), "y");
    store.remove(&place(1)).await.unwrap();
    store.put(&place(3), secret("z"), None, Expected::Absent).await.unwrap();
}

#[tokio::test]
async fn what_has_expired_makes_room_also_when_it_came_after_the_store_was_full() {
    let (store, clock) = small(2);
    let in_seconds = |seconds| Some(NOW_MS / 1000 + seconds);
    for n in [1, 2] {
        store.put(&place(n), secret("x"), None, Expected::Absent).await.unwrap();
    }
    assert!(store.put(&place(3), secret("x"), None, Expected::Absent).await.is_err());
    store.put(&place(2), secret("x"), in_seconds(10), Expected::Any).await.unwrap();
    assert!(store.put(&place(3), secret("x"), None, Expected::Absent).await.is_err());
    clock.advance(Duration::from_secs(10));
    store.put(&place(3), secret("x"), None, Expected::Absent).await.unwrap();
    assert_eq!(text(&store, &place(1)).await.unwrap(), "x");
}

// HARD 14
#[tokio::test]
async fn logouts_never_fail_and_do_not_grow_memory_without_bound() {
    let (store, clock) = small(2);
    for n in 1..=5 {
        store.remove(&place(n)).await.unwrap();
    }
    for n in [4, 5] {
        assert!(matches!(
            store.put(&place(n), secret("late"), None, Expected::Any).await,
            Err(StoreError::LoggedOut { .. })
        ));
    }
    assert_eq!(store.shelves().tombstones.len(), 2);
    assert_eq!(store.shelves().made.len(), 2);
    clock.advance(TOMBSTONE_LIFETIME);
    store.put(&place(4), secret("late"), None, Expected::Absent).await.unwrap();
    assert!(store.shelves().made.is_empty());
}

// HARD 18
#[tokio::test]
async fn a_list_names_the_places_of_its_purpose_that_live() {
    let (store, clock) = small(10);
    let session = Place { purpose: Purpose::Session, ..place(1) };
    for place in [&place(1), &place(2), &session] {
        store.put(place, secret("x"), None, Expected::Absent).await.unwrap();
    }
    let soon = clock.unix_seconds() + 1;
    store.put(&place(3), secret("x"), Some(soon), Expected::Absent).await.unwrap();
    store.remove(&place(2)).await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.list(Purpose::RefreshToken).await.unwrap().places, [place(1)]);
    assert_eq!(store.list(Purpose::Session).await.unwrap().places, [session]);
    assert_eq!(store.list(Purpose::IdToken).await.unwrap(), Listing::default());
}
