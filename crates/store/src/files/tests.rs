use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bearward_token::{ManualClock, SealingKey};
use tempfile::TempDir;

use super::*;
use crate::promises::{NOW_MS, keeps_promises, place, secret, text};
use crate::store::TOMBSTONE_LIFETIME;

keeps_promises!(super::fresh);

async fn fresh() -> (SealedFiles, Arc<ManualClock>, TempDir) {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    (open(&folder, &[1], &clock).await.unwrap(), clock, folder)
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_unix_ms(NOW_MS))
}

async fn open(folder: &TempDir, keys: &[u8], clock: &Arc<ManualClock>) -> Result<SealedFiles, StoreError> {
    SealedFiles::open(folder.path(), sealing(keys), clock.clone()).await
}

fn sealing(keys: &[u8]) -> SealingKeys {
    let keys: Vec<_> = keys.iter().map(|byte| SealingKey::new(hex::encode([*byte; 32]))).collect();
    SealingKeys::parse(&keys).unwrap()
}

async fn put(store: &SealedFiles, number: u8, text: &str) {
    store.put(&place(number), secret(text), None, Expected::Absent).await.unwrap();
}

fn file(store: &SealedFiles, number: u8) -> PathBuf {
    store.0.folder.record(&place(number).id())
}

async fn damage(store: &SealedFiles, number: u8) -> Damage {
    match store.get(&place(number)).await {
        Err(StoreError::Damaged { location, damage }) => {
            assert_eq!(location, file(store, number).display().to_string());
            damage
        }
        other => panic!("{other:?}"),
    }
}

// HARD 13, 18
#[tokio::test]
async fn records_tombstones_and_versions_outlive_the_process() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let store = open(&folder, &[1], &clock).await.unwrap();
    let version = store.put(&place(1), secret("one"), None, Expected::Absent).await.unwrap();
    put(&store, 2, "two").await;
    store.remove(&place(2)).await.unwrap();
    drop(store);
    let store = open(&folder, &[1], &clock).await.unwrap();
    let record = store.get(&place(1)).await.unwrap().unwrap();
    assert_eq!((record.secret, record.version), (secret("one"), version));
    let late = store.put(&place(2), secret("late"), None, Expected::Any).await;
    assert!(matches!(late, Err(StoreError::LoggedOut { .. })));
    assert_eq!(store.list(Purpose::RefreshToken).await.unwrap().places, [place(1)]);
    assert!(store.list(Purpose::Session).await.unwrap().places.is_empty());
}

// HARD 19
#[tokio::test]
async fn damage_is_told_apart_and_harms_one_record_alone() {
    let (store, clock, folder) = fresh().await;
    for n in 1..=6 {
        put(&store, n, &format!("secret {n}")).await;
    }
    let bytes = |n| fs::read(file(&store, n)).unwrap();
    // 1 and 2 are swapped, 3 is cut, 4 has a flipped bit, 5 is none of ours, 6 is well.
    let (one, two, three, mut four) = (bytes(1), bytes(2), bytes(3), bytes(4));
    fs::write(file(&store, 1), two).unwrap();
    fs::write(file(&store, 2), one).unwrap();
    fs::write(file(&store, 3), &three[..70]).unwrap();
    *four.last_mut().unwrap() ^= 1;
    fs::write(file(&store, 4), four).unwrap();
    fs::write(file(&store, 5), "hello").unwrap();
    let check = async |store: &SealedFiles| {
        assert_eq!(damage(store, 1).await, Damage::Misplaced { belongs: place(2).id().to_string() });
        assert_eq!(damage(store, 2).await, Damage::Misplaced { belongs: place(1).id().to_string() });
        assert_eq!(damage(store, 3).await, Damage::Truncated { bytes: 70 });
        assert_eq!(damage(store, 4).await, Damage::Altered);
        assert_eq!(damage(store, 5).await, Damage::UnknownFormat { format: b'h' });
        assert_eq!(text(store, &place(6)).await.unwrap(), "secret 6");
        let listing = store.list(Purpose::RefreshToken).await.unwrap();
        assert_eq!((listing.places, listing.unreadable.len()), (vec![place(6)], 5));
    };
    check(&store).await;
    drop(store);
    let store = open(&folder, &[1], &clock).await.unwrap();
    check(&store).await;
    assert_eq!(store.sweep().await.unwrap().failed.len(), 5);

    // Nothing guesses what a damaged record was; a login heals it, and a logout buries it.
    assert!(store.put(&place(4), secret("x"), None, Expected::Any).await.is_err());
    store.put(&place(4), secret("anew"), None, Expected::NewLogin).await.unwrap();
    assert_eq!(text(&store, &place(4)).await.unwrap(), "anew");
    store.remove(&place(5)).await.unwrap();
    assert_eq!(store.get(&place(5)).await.unwrap(), None);
}

// HARD 19
#[tokio::test]
async fn an_older_keys_records_are_sealed_anew_when_the_store_is_opened() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let store = open(&folder, &[1], &clock).await.unwrap();
    put(&store, 1, "one").await;
    put(&store, 2, "two").await;
    store.remove(&place(2)).await.unwrap();
    drop(store);

    let store = open(&folder, &[2], &clock).await.unwrap();
    assert!(matches!(damage(&store, 1).await, Damage::UnknownKey { .. }));
    drop(store);

    let store = open(&folder, &[2, 1], &clock).await.unwrap();
    assert_eq!(text(&store, &place(1)).await.unwrap(), "one");
    drop(store);

    let store = open(&folder, &[2], &clock).await.unwrap();
    assert_eq!(text(&store, &place(1)).await.unwrap(), "one");
    let late = store.put(&place(2), secret("late"), None, Expected::Absent).await;
    assert!(matches!(late, Err(StoreError::LoggedOut { .. })), "the tombstone was sealed anew too");
}

#[tokio::test]
async fn a_sweep_drops_what_nobody_needs_and_keeps_the_rest() {
    let (store, clock, _folder) = fresh().await;
    put(&store, 1, "for ever").await;
    let soon = clock.unix_seconds() + 10;
    store.put(&place(2), secret("short"), Some(soon), Expected::Absent).await.unwrap();
    store.remove(&place(3)).await.unwrap();
    clock.advance(TOMBSTONE_LIFETIME - Duration::from_secs(1));
    assert_eq!(store.sweep().await.unwrap(), Swept { kept: 3, ..Swept::default() });
    clock.advance(Duration::from_secs(11));
    assert_eq!(store.sweep().await.unwrap(), Swept { kept: 1, dropped: 2, ..Swept::default() });
    assert_eq!(text(&store, &place(1)).await.unwrap(), "for ever");
}

// HARD 33
#[tokio::test]
async fn what_a_cut_off_write_left_is_removed_and_other_peoples_files_are_not() {
    let (store, clock, folder) = fresh().await;
    put(&store, 1, "one").await;
    let unfinished = store.0.folder.unfinished(&place(1).id());
    let foreign = store.folder().join("notes.tmp");
    drop(store);
    fs::write(&unfinished, "half").unwrap();
    fs::write(&foreign, "mine").unwrap();
    let store = open(&folder, &[1], &clock).await.unwrap();
    assert!(!unfinished.exists() && foreign.exists());
    assert_eq!(text(&store, &place(1)).await.unwrap(), "one");
}

#[tokio::test]
async fn one_folder_is_open_once_and_the_error_says_who_has_it() {
    let (store, clock, folder) = fresh().await;
    let copy = store.clone();
    drop(store);
    let path = copy.folder().to_owned();
    let refused = open(&folder, &[1], &clock).await.unwrap_err();
    assert_eq!(refused, StoreError::InUse { path: path.clone(), pid: Some(std::process::id()) });
    assert_eq!(
        refused.to_string(),
        format!(
            "`{}` is in use by process {}: end it, or give each process a `state.path` of its own",
            path.display(),
            std::process::id()
        )
    );
    drop(copy);
    open(&folder, &[1], &clock).await.unwrap();
}

// HARD 13, 33
#[tokio::test]
async fn a_write_whose_name_does_not_reach_the_disk_is_told_stands_and_is_made_good_before_anything_else() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let refuses = Arc::new(AtomicBool::new(false));
    let disk = refuses.clone();
    let sync: SyncNames = Arc::new(move |path| match disk.load(Ordering::Relaxed) {
        true => Err(std::io::Error::other("the disk is gone")),
        false => durable::sync_folder(path),
    });
    let records = Folder::open(folder.path(), sync).unwrap();
    let store = SealedFiles::open_in(records, sealing(&[1]), clock).await.unwrap();
    let first = store.put(&place(1), secret("first"), None, Expected::Absent).await.unwrap();
    refuses.store(true, Ordering::Relaxed);
    let at = place(1);
    let rotate = || store.put(&at, secret("second"), None, Expected::Version(first));
    let told = rotate().await.unwrap_err();
    assert!(matches!(told, StoreError::NotDurable { .. }), "{told}");
    assert_eq!(text(&store, &place(1)).await.unwrap(), "second");
    // Whoever tries again is not told of a conflict, which says that it was written, while it may not outlive a crash.
    assert_eq!(rotate().await, Err(told));
    refuses.store(false, Ordering::Relaxed);
    assert!(matches!(rotate().await, Err(StoreError::Conflict { .. })));
    assert_eq!(text(&store, &place(1)).await.unwrap(), "second");
}

#[tokio::test]
async fn who_has_patience_gets_the_folder_as_soon_as_it_is_free() {
    const PATIENCE: Duration = Duration::from_secs(2);
    let (store, clock, folder) = fresh().await;
    let wait = || {
        let (path, clock) = (folder.path().to_owned(), clock.clone());
        tokio::spawn(SealedFiles::open_within(path, sealing(&[1]), clock, PATIENCE))
    };
    let looked = async |after: Duration| {
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(after);
    };
    let waiting = wait();
    looked(LOCK_INTERVAL).await;
    drop(store);
    looked(LOCK_INTERVAL).await;
    let store = waiting.await.unwrap().unwrap();
    let waiting = wait();
    looked(PATIENCE).await;
    let refused = waiting.await.unwrap().unwrap_err();
    assert_eq!(refused, StoreError::InUse { path: store.folder().to_owned(), pid: Some(std::process::id()) });
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_look() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let records = folder.path().join("records");
    fs::create_dir(&records).unwrap();
    fs::set_permissions(&records, fs::Permissions::from_mode(0o755)).unwrap();
    let store = open(&folder, &[1], &clock).await.unwrap();
    put(&store, 1, "one").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&records), 0o700);
    assert_eq!([mode(&file(&store, 1)), mode(&records.join("lock"))], [0o600; 2]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_the_place_of_the_folder_is_refused_and_what_it_leads_to_is_left_as_it_is() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (folder, elsewhere, clock) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), clock());
    fs::set_permissions(elsewhere.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for leads_to in [elsewhere.path(), &folder.path().join("nowhere")] {
        symlink(leads_to, folder.path().join("records")).unwrap();
        let refused = open(&folder, &[1], &clock).await.unwrap_err();
        assert!(matches!(refused, StoreError::NotOurs { .. }), "{refused:?}");
        assert!(refused.to_string().contains("is a symbolic link"), "{refused}");
        fs::remove_file(folder.path().join("records")).unwrap();
    }
    assert_eq!(fs::metadata(elsewhere.path()).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_the_place_of_the_lock_is_not_followed() {
    let (store, clock, folder) = fresh().await;
    let (lock, precious) = (store.folder().join("lock"), folder.path().join("precious"));
    drop(store);
    fs::write(&precious, "do not truncate").unwrap();
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(&precious, &lock).unwrap();
    let refused = open(&folder, &[1], &clock).await.unwrap_err().to_string();
    assert!(refused.starts_with("locking `"), "{refused}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "do not truncate");
}

// Only the superuser can give a folder away; elsewhere this proves nothing.
#[cfg(unix)]
#[tokio::test]
async fn a_folder_of_another_user_is_refused() {
    use std::os::unix::fs::chown;
    const NOBODY: u32 = 65_534;
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let records = folder.path().join("records");
    fs::create_dir(&records).unwrap();
    if chown(&records, Some(NOBODY), None).is_err() {
        return;
    }
    let refused = open(&folder, &[1], &clock).await.unwrap_err();
    assert!(refused.to_string().contains("belongs to another user"), "{refused}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    fs::write(folder.path().join("records"), "a file").unwrap();
    let refused = open(&folder, &[1], &clock).await.unwrap_err().to_string();
    assert!(refused.starts_with("making the folder `") && refused.contains("records"), "{refused}");
}

#[tokio::test]
async fn names_that_could_not_be_read_again_are_refused_when_they_are_written() {
    let (store, _, _folder) = fresh().await;
    let named = |client: usize| Place { client: "c".repeat(client), ..place(1) };
    let longest = SecretBytes::new(vec![b's'; MAX_SECRET_BYTES]);
    let fits = named(MAX_PLACE_BYTES - named(0).encode().len());
    store.put(&fits, longest.clone(), Some(u64::MAX), Expected::Absent).await.unwrap();
    assert_eq!(store.get(&fits).await.unwrap().unwrap().secret, longest);
    let too_long = named(MAX_PLACE_BYTES - named(0).encode().len() + 1);
    let refused = store.put(&too_long, secret("x"), None, Expected::NewLogin).await.unwrap_err();
    assert!(matches!(refused, StoreError::PlaceTooLong { .. }), "{refused}");
    assert!(refused.to_string().len() < 300, "the name is not repeated");
    assert_eq!(store.remove(&too_long).await, Err(refused));
    assert_eq!(store.get(&too_long).await.unwrap(), None);
}

#[tokio::test]
async fn a_file_of_gigabytes_is_not_read_into_memory() {
    let (store, _, _folder) = fresh().await;
    fs::File::create(file(&store, 1)).unwrap().set_len(1 << 33).unwrap();
    assert_eq!(damage(&store, 1).await, Damage::Altered);
}

// HARD 20
#[tokio::test]
async fn no_secret_is_on_the_disk_in_the_clear() {
    let (store, _, folder) = fresh().await;
    put(&store, 1, "tok-123").await;
    for entry in fs::read_dir(folder.path().join("records")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        for clear in ["tok-123", "alice", "idp.example.com"] {
            assert!(!bytes.windows(clear.len()).any(|window| window == clear.as_bytes()));
        }
    }
}
