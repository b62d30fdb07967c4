use bearward_token::{ManualClock, SealingKey};

use super::*;
use crate::SealingKeys;
use crate::promises::NOW_MS;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_unix_ms(NOW_MS))
}

fn memory() -> Stores {
    Stores::new(Memory::new(10, clock()))
}

#[test]
fn refresh_tokens_are_encrypted_and_the_others_stay_in_memory_unless_somebody_says_otherwise() {
    let storage = Storage::default();
    let of = |purpose| storage.of(purpose);
    assert_eq!([of(Purpose::AccessToken), of(Purpose::IdToken)], [Kept::Memory; 2]);
    assert_eq!(
        [of(Purpose::RefreshToken), of(Purpose::Session), of(Purpose::Revocation)],
        [Kept::Encrypted; 3]
    );
}

#[tokio::test]
async fn every_purpose_goes_to_the_store_of_its_policy() {
    let folder = tempfile::tempdir().unwrap();
    let keys = SealingKeys::parse([&SealingKey::new("ab".repeat(32))]).unwrap();
    let files = SealedFiles::open(folder.path(), keys, clock()).await.unwrap();
    let stores = memory().with_encrypted(files).with_keychain(Keychain::system(clock()));
    let storage = Storage { access: Kept::Memory, id: Kept::Keychain, refresh: Kept::Encrypted };
    let table = [
        (Purpose::AccessToken, "Memory"),
        (Purpose::IdToken, "Keychain"),
        (Purpose::RefreshToken, "SealedFiles"),
        (Purpose::Session, "SealedFiles"),
    ];
    for (purpose, name) in table {
        let store = format!("{:?}", stores.route(&storage, purpose).unwrap());
        assert!(store.starts_with(name), "{purpose:?} went to {store}");
    }
}

#[test]
fn a_store_that_is_not_configured_is_an_error_that_says_what_to_configure() {
    let error = |kept| {
        let storage = Storage { refresh: kept, ..Storage::default() };
        memory().route(&storage, Purpose::RefreshToken).unwrap_err().to_string()
    };
    assert_eq!(
        error(Kept::Encrypted),
        "storage `encrypted` is asked for, and neither a folder nor a key is configured for it: set `state.path`, and \
         `state.key` to a key from `bearward keygen`, or use storage `memory`"
    );
    assert_eq!(
        error(Kept::Keychain),
        "storage `keychain` is asked for, and no keychain is in use: use storage `encrypted` or `memory`"
    );
}

#[test]
fn names_are_read_as_they_are_written_and_others_are_refused() {
    for kept in Kept::ALL {
        assert_eq!(kept.to_string().parse(), Ok(kept));
    }
    let unknown = "disk".parse::<Kept>().unwrap_err().to_string();
    assert_eq!(unknown, "`disk` is no kind of storage: write `memory`, `encrypted` or `keychain`");
}
