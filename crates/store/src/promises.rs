//! The promises of [`Store`], asked of every store alike.

use std::time::Duration;

use bearward_token::{Clock, ManualClock};
use futures_util::future::join_all;

use crate::store::{MAX_SECRET_BYTES, TOMBSTONE_LIFETIME};
use crate::{Expected, Place, Purpose, SecretBytes, Store, StoreError};

pub(crate) const NOW_MS: u64 = 1_800_000_000_123;

/// Different places for different numbers.
pub(crate) fn place(number: u8) -> Place {
    Place {
        tenant: Some("acme".into()),
        issuer: "https://idp.example.com/realms/acme".parse().unwrap(),
        subject: Some("alice@example.com".into()),
        client: "desktop".into(),
        purpose: Purpose::RefreshToken,
        key: [number; 32],
    }
}

pub(crate) fn secret(text: &str) -> SecretBytes {
    SecretBytes::new(text.into())
}

/// What stands there, as text.
pub(crate) async fn text(store: &dyn Store, place: &Place) -> Option<String> {
    let record = store.get(place).await.unwrap()?;
    record.secret.expose_text().map(Into::into)
}

pub(crate) async fn put(store: &dyn Store, text: &str, expected: Expected) -> Result<u64, StoreError> {
    store.put(&place(1), secret(text), None, expected).await
}

/// One test a promise; `$fresh` answers with a store, its clock, and what must live as long as it.
macro_rules! keeps_promises {
    ($fresh:path: $($promise:ident),* $(,)?) => {
        mod promises {
            $(
                #[tokio::test]
                async fn $promise() {
                    let (store, clock, _lives) = $fresh().await;
                    crate::promises::$promise(&store, &clock).await;
                }
            )*
        }
    };
    ($fresh:path) => {
        $crate::promises::keeps_promises!($fresh:
            what_is_put_is_had_at_its_place_alone,
            a_write_names_the_version_that_it_replaces_or_fails,
            only_one_of_many_who_saw_the_same_version_writes,
            nothing_is_put_where_something_is_unless_it_has_expired,
            a_late_write_does_not_undo_a_logout_and_a_login_does,
            a_logout_before_the_first_write_is_remembered_too,
            a_tombstone_goes_after_its_time_and_old_versions_match_nothing_then,
            expired_means_gone_on_the_second,
            a_secret_may_be_empty_or_any_bytes_and_not_without_end,
            an_error_shows_neither_secret_nor_user,
        );
    };
}
pub(crate) use keeps_promises;

pub(crate) async fn what_is_put_is_had_at_its_place_alone(store: &dyn Store, _: &ManualClock) {
    assert_eq!(store.get(&place(1)).await.unwrap(), None);
    let version = put(store, "one", Expected::Absent).await.unwrap();
    store.put(&place(2), secret("two"), Some(1_900_000_000), Expected::Any).await.unwrap();
    let one = store.get(&place(1)).await.unwrap().unwrap();
    assert_eq!((one.secret.expose(), one.expires_at, one.version), (&b"one"[..], None, version));
    assert_eq!(store.get(&place(2)).await.unwrap().unwrap().expires_at, Some(1_900_000_000));
    let neighbours = [
        Place { tenant: None, ..place(1) },
        Place { issuer: "https://idp.example.com/realms/other".parse().unwrap(), ..place(1) },
        Place { subject: None, ..place(1) },
        Place { client: "laptop".into(), ..place(1) },
        Place { purpose: Purpose::AccessToken, ..place(1) },
        place(3),
    ];
    for neighbour in neighbours {
        assert_eq!(store.get(&neighbour).await.unwrap(), None, "{neighbour:?}");
    }
}

// HARD 10, 12
pub(crate) async fn a_write_names_the_version_that_it_replaces_or_fails(store: &dyn Store, _: &ManualClock) {
    let conflict = |found| Err(StoreError::Conflict { what: place(1).to_string(), found });
    assert_eq!(put(store, "early", Expected::Version(7)).await, conflict(None));
    let first = put(store, "first", Expected::Absent).await.unwrap();
    let second = put(store, "second", Expected::Version(first)).await.unwrap();
    assert!(second > first);
    assert_eq!(put(store, "loser", Expected::Version(first)).await, conflict(Some(second)));
    assert_eq!(text(store, &place(1)).await.unwrap(), "second");
    assert!(put(store, "any", Expected::Any).await.unwrap() > second);
}

// HARD 12
pub(crate) async fn only_one_of_many_who_saw_the_same_version_writes(store: &dyn Store, _: &ManualClock) {
    let seen = put(store, "first", Expected::Absent).await.unwrap();
    let place = place(1);
    let write = |n: usize| store.put(&place, secret(&n.to_string()), None, Expected::Version(seen));
    let answers = join_all((0..20).map(write)).await;
    let won: Vec<_> =
        answers.iter().enumerate().filter(|(_, answer)| answer.is_ok()).map(|(n, _)| n).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    assert_eq!(text(store, &place).await.unwrap(), won[0].to_string());
}

pub(crate) async fn nothing_is_put_where_something_is_unless_it_has_expired(
    store: &dyn Store,
    clock: &ManualClock,
) {
    let version = put(store, "first", Expected::Absent).await.unwrap();
    let refused = put(store, "second", Expected::Absent).await;
    assert_eq!(refused, Err(StoreError::Conflict { what: place(1).to_string(), found: Some(version) }));

    let soon = clock.unix_seconds() + 10;
    store.put(&place(2), secret("short"), Some(soon), Expected::Absent).await.unwrap();
    clock.advance(Duration::from_secs(10));
    store.put(&place(2), secret("next"), None, Expected::Absent).await.unwrap();
    assert_eq!(text(store, &place(2)).await.unwrap(), "next");
}

// HARD 14
pub(crate) async fn a_late_write_does_not_undo_a_logout_and_a_login_does(
    store: &dyn Store,
    clock: &ManualClock,
) {
    let before = put(store, "first", Expected::Absent).await.unwrap();
    store.remove(&place(1)).await.unwrap();
    store.remove(&place(1)).await.unwrap();
    assert_eq!(store.get(&place(1)).await.unwrap(), None);
    let logged_out = Err(StoreError::LoggedOut { what: place(1).to_string() });
    clock.advance(TOMBSTONE_LIFETIME - Duration::from_secs(2));
    for expected in [Expected::Version(before), Expected::Absent, Expected::Any] {
        assert_eq!(put(store, "late", expected).await, logged_out, "{expected:?}");
        assert_eq!(store.get(&place(1)).await.unwrap(), None);
    }
    let after = put(store, "again", Expected::NewLogin).await.unwrap();
    assert!(after > before);
    assert!(put(store, "very late", Expected::Version(before)).await.is_err());
    assert_eq!(text(store, &place(1)).await.unwrap(), "again");
    put(store, "refreshed", Expected::Version(after)).await.unwrap();
}

// HARD 14
pub(crate) async fn a_logout_before_the_first_write_is_remembered_too(store: &dyn Store, _: &ManualClock) {
    store.remove(&place(1)).await.unwrap();
    assert!(matches!(put(store, "late", Expected::Absent).await, Err(StoreError::LoggedOut { .. })));
    put(store, "login", Expected::NewLogin).await.unwrap();
}

// HARD 14
pub(crate) async fn a_tombstone_goes_after_its_time_and_old_versions_match_nothing_then(
    store: &dyn Store,
    clock: &ManualClock,
) {
    let first = put(store, "first", Expected::Absent).await.unwrap();
    let last = put(store, "second", Expected::Version(first)).await.unwrap();
    store.remove(&place(1)).await.unwrap();
    clock.advance(TOMBSTONE_LIFETIME);
    let after = put(store, "later", Expected::Absent).await.unwrap();
    assert!(after > last, "a sleeper who knows version {last} must not meet it again");
}

// HARD 6
pub(crate) async fn expired_means_gone_on_the_second(store: &dyn Store, clock: &ManualClock) {
    let until = clock.unix_seconds() + 60;
    store.put(&place(1), secret("short"), Some(until), Expected::Absent).await.unwrap();
    clock.advance(Duration::from_secs(59));
    assert!(store.get(&place(1)).await.unwrap().is_some());
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.get(&place(1)).await.unwrap(), None);
    clock.step_wall(-3_600_000);
    assert!(store.get(&place(1)).await.unwrap().is_some(), "a clock that was set wrong has cost nothing");
}

pub(crate) async fn a_secret_may_be_empty_or_any_bytes_and_not_without_end(
    store: &dyn Store,
    _: &ManualClock,
) {
    let bytes: Vec<u8> = (0..=255).cycle().take(MAX_SECRET_BYTES).collect();
    for (n, bytes) in [vec![], vec![0], bytes].into_iter().enumerate() {
        let place = place(n as u8);
        store.put(&place, SecretBytes::new(bytes.clone()), None, Expected::Absent).await.unwrap();
        assert!(store.get(&place).await.unwrap().unwrap().secret.expose() == bytes);
    }
    let long = SecretBytes::new(vec![0; MAX_SECRET_BYTES + 1]);
    let refused = store.put(&place(9), long, None, Expected::Absent).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { bytes: 65_537, limit: 65_536, .. }), "{refused}");
}

// HARD 20
pub(crate) async fn an_error_shows_neither_secret_nor_user(store: &dyn Store, _: &ManualClock) {
    let version = put(store, "tok-123", Expected::Absent).await.unwrap();
    let conflict = put(store, "tok-123", Expected::Absent).await.unwrap_err();
    store.remove(&place(1)).await.unwrap();
    let logged_out = put(store, "tok-123", Expected::Version(version)).await.unwrap_err();
    let record = store.put(&place(2), secret("tok-123"), None, Expected::Absent).await;
    record.unwrap();
    let record = store.get(&place(2)).await.unwrap();
    let shown = format!("{conflict} {conflict:?} {logged_out} {logged_out:?} {store:?}");
    for hidden in ["tok-123", "alice", "acme", &format!("{:?}", b"tok-123")] {
        assert!(!shown.replace("/realms/acme", "").contains(hidden), "{shown}");
        let secret = format!("{:?}", record.as_ref().unwrap().secret);
        assert_eq!(secret, "SecretBytes(redacted)");
    }
}
