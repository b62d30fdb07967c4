use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};

use bearward_token::{ManualClock, SystemClock};
use keyring_core::api::CredentialStoreApi;
use keyring_core::{CredentialPersistence, Entry, Error, mock};

use super::*;
use crate::Damage;
use crate::promises::{NOW_MS, keeps_promises, place, secret, text};

keeps_promises!(super::fresh);

async fn fresh() -> (Keychain, Arc<ManualClock>, ()) {
    let clock = Arc::new(ManualClock::at_unix_ms(NOW_MS));
    let mock = Unlabelled(mock::Store::new().unwrap());
    (Keychain::with(Arc::new(move || Ok(Arc::new(mock.clone()))), clock.clone()), clock, ())
}

/// The mock takes no labels, as some systems do not; here every system's tests run alike.
#[derive(Debug, Clone)]
struct Unlabelled(Arc<mock::Store>);

impl CredentialStoreApi for Unlabelled {
    fn vendor(&self) -> String {
        self.0.vendor()
    }

    fn id(&self) -> String {
        self.0.id()
    }

    fn build(
        &self,
        service: &str,
        user: &str,
        _: Option<&HashMap<&str, &str>>,
    ) -> keyring_core::Result<Entry> {
        self.0.build(service, user, None)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn persistence(&self) -> CredentialPersistence {
        self.0.persistence()
    }
}

/// The next call for this place fails so.
fn fail(mock: &mock::Store, place: &Place, error: Error) {
    let entry = mock.build("bearward", &place.id().to_string(), None).unwrap();
    entry.as_any().downcast_ref::<mock::Cred>().unwrap().set_error(error);
}

fn with_mock() -> (Keychain, Arc<mock::Store>, Arc<AtomicUsize>) {
    let mock = mock::Store::new().unwrap();
    let (theirs, opened) = (Unlabelled(mock.clone()), Arc::new(AtomicUsize::new(0)));
    let counts = opened.clone();
    let opens = move || {
        counts.fetch_add(1, SeqCst);
        Ok(Arc::new(theirs.clone()) as _)
    };
    (Keychain::with(Arc::new(opens), Arc::new(SystemClock::new())), mock, opened)
}

/// A keychain that asks a person, who answers when the sender is dropped; says when it has asked.
fn asking() -> (Keychain, Arc<ManualClock>, Sender<()>, Arc<AtomicBool>) {
    let (person, answer) = channel::<()>();
    let (answer, has_asked) = (Mutex::new(answer), Arc::new(AtomicBool::new(false)));
    let asks = has_asked.clone();
    let mock = Unlabelled(mock::Store::new().unwrap());
    let opens = move || {
        asks.store(true, SeqCst);
        let _ = answer.lock().unwrap().recv();
        Ok(Arc::new(mock.clone()) as _)
    };
    let clock = Arc::new(ManualClock::at_unix_ms(NOW_MS));
    (Keychain::with(Arc::new(opens), clock.clone()), clock, person, has_asked)
}

fn broken() -> Error {
    Error::PlatformFailure("the connection broke".into())
}

#[tokio::test]
async fn nobody_waits_longer_than_the_limit_and_a_write_that_was_given_up_is_not_made_later() {
    let (store, clock, person, has_asked) = asking();
    let place = place(1);
    let write = store.put(&place, secret("late"), None, Expected::Absent);
    let behind = store.put(&place, secret("behind"), None, Expected::Absent);
    let moves = async {
        while clock.sleepers() < 2 || !has_asked.load(SeqCst) {
            tokio::task::yield_now().await;
        }
        clock.advance(TIMEOUT);
    };
    let (write, behind, ()) = tokio::join!(write, behind, moves);
    for answer in [write, behind] {
        assert_eq!(answer, Err(StoreError::KeychainTimeout { after: TIMEOUT }));
    }
    drop(person);
    assert_eq!(store.get(&place).await.unwrap(), None, "the person answered, and nobody waited any more");
    store.put(&place, secret("now"), None, Expected::Absent).await.unwrap();
}

#[tokio::test]
async fn a_keychain_that_never_answers_takes_no_more_than_so_many_calls() {
    let (store, _clock, _person, _) = asking();
    let place = place(1);
    let waiting: Vec<_> = (0..300).map(|_| store.get(&place)).collect();
    let mut refused = 0;
    for call in waiting.into_iter().rev().take(10) {
        refused += usize::from(matches!(call.await, Err(StoreError::Keychain { .. })));
    }
    assert_eq!(refused, 10);
}

#[tokio::test]
async fn a_connection_that_broke_is_made_anew_once() {
    let (store, mock, opened) = with_mock();
    store.put(&place(1), secret("one"), None, Expected::Absent).await.unwrap();
    fail(&mock, &place(1), broken());
    assert_eq!(text(&store, &place(1)).await.unwrap(), "one");
    assert_eq!(opened.load(SeqCst), 2);
}

#[tokio::test]
async fn a_locked_keychain_is_an_error_that_says_what_to_do() {
    let (store, mock, _) = with_mock();
    fail(&mock, &place(1), Error::NoStorageAccess("locked".into()));
    let error = store.get(&place(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::KeychainLocked { .. }));
    assert!(error.to_string().contains("or use storage `encrypted`"), "{error}");
    assert_eq!(store.get(&place(1)).await.unwrap(), None);
}

#[tokio::test]
async fn no_keychain_is_an_error_that_says_what_to_do_and_is_tried_again() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counts = tries.clone();
    let opens = move || {
        counts.fetch_add(1, SeqCst);
        Err(Error::PlatformFailure("no bus".into()))
    };
    let store = Keychain::with(Arc::new(opens), Arc::new(SystemClock::new()));
    for _ in 0..2 {
        let error = store.get(&place(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::NoKeychain { .. }));
        assert!(error.to_string().contains("or use storage `encrypted`"), "{error}");
    }
    assert_eq!(tries.load(SeqCst), 2);
}

#[tokio::test]
async fn a_panic_below_is_one_failed_call() {
    let (tries, mock) = (AtomicUsize::new(0), Unlabelled(mock::Store::new().unwrap()));
    let opens = move || match tries.fetch_add(1, SeqCst) {
        0 => panic!("a mutex was poisoned"),
        _ => Ok(Arc::new(mock.clone()) as _),
    };
    let store = Keychain::with(Arc::new(opens), Arc::new(SystemClock::new()));
    assert_eq!(store.get(&place(1)).await, Err(StoreError::Stopped));
    while store.get(&place(1)).await == Err(StoreError::Stopped) {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.get(&place(1)).await.unwrap(), None);
}

#[tokio::test]
async fn an_item_too_long_for_the_system_is_an_error_that_says_what_to_do() {
    let (store, mock, _) = with_mock();
    fail(&mock, &place(1), Error::TooLong("secret".into(), 2560));
    let error = store.get(&place(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { limit: 2560, .. }));
    assert!(error.to_string().ends_with(": use storage `encrypted`"), "{error}");
}

// HARD 19
#[tokio::test]
async fn damaged_and_swapped_items_are_told_apart_and_a_login_heals_them() {
    let (store, mock, _) = with_mock();
    for n in 1..=4 {
        store.put(&place(n), secret(&n.to_string()), None, Expected::Absent).await.unwrap();
    }
    let item = |n| mock.build("bearward", &place(n).id().to_string(), None).unwrap();
    item(1).set_secret(&item(2).get_secret().unwrap()).unwrap();
    item(2).set_secret(&[]).unwrap();
    item(3).set_secret(b"hello").unwrap();
    item(4).set_secret(&item(4).get_secret().unwrap()[..30]).unwrap();
    let table = [
        (1, Damage::Misplaced { belongs: place(2).id().to_string() }),
        (2, Damage::Truncated { bytes: 0 }),
        (3, Damage::UnknownFormat { format: b'h' }),
        (4, Damage::Altered),
    ];
    for (n, expected) in table {
        let error = store.get(&place(n)).await.unwrap_err();
        assert!(matches!(&error, StoreError::Damaged { damage, .. } if *damage == expected), "{error}");
        store.put(&place(n), secret("anew"), None, Expected::NewLogin).await.unwrap();
        assert_eq!(text(&store, &place(n)).await.unwrap(), "anew");
    }
}

#[tokio::test]
async fn a_keychain_says_that_it_cannot_list() {
    let (store, ..) = with_mock();
    assert_eq!(store.list(Purpose::RefreshToken).await, Err(StoreError::CannotList));
}
