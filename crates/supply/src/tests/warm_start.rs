//! Tokens that outlive their process (HARD 18, HARD 19).

use std::path::{Path, PathBuf};

use bearward_store::{Place, Purpose, SealedFiles, SealingKeys, StoreError};
use bearward_token::SealingKey;

use super::scene::*;
use super::server::{Scripted, memory};

const START: u64 = 1_800_000_000_000;

fn clock(unix_ms: u64) -> Arc<ManualClock> {
    Arc::new(ManualClock::at_unix_ms(unix_ms))
}

/// As the next process does; the one before may need a moment to let go.
async fn files(folder: &Path, clock: &Arc<ManualClock>) -> Arc<dyn Store> {
    loop {
        let key = SealingKey::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        match SealedFiles::open(folder, SealingKeys::parse([&key]).unwrap(), clock.clone()).await {
            Ok(files) => return Arc::new(files),
            Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

fn place() -> Place {
    crate::shelf::place(&key("notes"), Purpose::AccessToken)
}

/// What stands in the store holds this text.
async fn holds(store: &dyn Store, text: &str) -> bool {
    let record = store.get(&place()).await.unwrap();
    record.is_some_and(|record| record.secret.expose().ends_with(text.as_bytes()))
}

/// One process that gets a token, leaves it behind, and ends.
async fn leave_behind(clock: &Arc<ManualClock>, store: &Arc<dyn Store>) {
    let scene = Scene::shelved(clock.clone(), store.clone());
    scene.token().await;
    while !holds(&**store, "token-1").await {
        tokio::task::yield_now().await;
    }
    scene.manager.shut_down().await;
}

/// What the next process uses, and how often it asked.
async fn next_process(clock: Arc<ManualClock>, store: Arc<dyn Store>) -> (String, u64) {
    let scene = Scene::shelved(clock, store);
    scene.script.then(Ok(("asked for", LIFE)));
    let token = scene.token().await;
    (token, scene.script.asked())
}

fn asked() -> (String, u64) {
    ("asked for".into(), 1)
}

// HARD 18
#[tokio::test]
async fn a_sealed_token_is_used_at_once_while_the_server_is_down() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock(START));
    leave_behind(&clock, &files(folder.path(), &clock).await).await;
    clock.advance(S * 1000);
    let scene = Scene::shelved(clock.clone(), files(folder.path(), &clock).await);
    scene.script.fail_always(Some(down()));
    assert_eq!((scene.token().await.as_str(), scene.script.asked()), ("token-1", 0));
    assert_eq!(scene.handle.expires_in(), Some(LIFE - S * 1000), "counted from when it was asked for");
    assert_eq!(scene.handle.condition(), Condition::Ready);
}

// HARD 9
#[tokio::test]
async fn one_that_has_expired_or_lies_in_the_future_is_not_used() {
    for (later_ms, expected) in [
        (3_000_000, ("token-1".into(), 0)),
        (3_569_000, ("token-1".into(), 0)),
        (3_570_000, asked()),
        (3_600_000, asked()),
        (90_000_000, asked()),
        (-1, asked()),
        (-7_200_000, asked()),
    ] {
        // The store's own clock does not help here.
        let (before, store) = (clock(START), memory(&clock(START)));
        leave_behind(&before, &store).await;
        let now = clock(START.saturating_add_signed(later_ms));
        assert_eq!(next_process(now, store).await, expected, "{later_ms} ms later");
    }
}

fn records(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("records")).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("lock")).collect()
}

// HARD 19
#[tokio::test]
async fn a_record_that_was_damaged_is_not_used_and_one_is_asked_for_instead() {
    type Harm = fn(&mut Vec<u8>);
    let flipped: Harm = |bytes| *bytes.last_mut().unwrap() ^= 1;
    let other_key: Harm = |bytes| bytes[1] ^= 1;
    let harms: [Harm; 4] = [flipped, other_key, |bytes| bytes.truncate(70), Vec::clear];
    for harm in harms {
        let (folder, clock) = (tempfile::tempdir().unwrap(), clock(START));
        leave_behind(&clock, &files(folder.path(), &clock).await).await;
        let record = records(folder.path()).remove(0);
        let mut bytes = std::fs::read(&record).unwrap();
        harm(&mut bytes);
        std::fs::write(&record, bytes).unwrap();
        assert_eq!(next_process(clock.clone(), files(folder.path(), &clock).await).await, asked());
    }
}

// HARD 19
#[tokio::test]
async fn records_of_two_keys_that_were_swapped_serve_neither() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock(START));
    let store = files(folder.path(), &clock).await;
    leave_behind(&clock, &store).await;
    let other = crate::shelf::place(&key("other"), Purpose::AccessToken);
    let record = store.get(&place()).await.unwrap().unwrap();
    store.put(&other, record.secret, None, bearward_store::Expected::Any).await.unwrap();
    drop(store);
    let [a, b] = <[PathBuf; 2]>::try_from(records(folder.path())).unwrap();
    let (of_a, of_b) = (std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    std::fs::write(&a, of_b).unwrap();
    std::fs::write(&b, of_a).unwrap();
    assert_eq!(next_process(clock.clone(), files(folder.path(), &clock).await).await, asked());
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_not_used() {
    for bytes in [&[][..], b"short", &[0; 16], &[0xff; 40]] {
        let store = memory(&clock(START));
        let secret = bearward_store::SecretBytes::new(bytes.to_vec());
        store.put(&place(), secret, None, bearward_store::Expected::Any).await.unwrap();
        assert_eq!(next_process(clock(START), store).await, asked());
    }
}

#[tokio::test]
async fn a_store_that_hangs_holds_nobody_for_more_than_five_seconds() {
    let clock = clock(START);
    let store = Scripted::new(memory(&clock));
    store.hang(true);
    let scene = Scene::shelved(clock.clone(), store.clone());
    let first = scene.caller();
    settle().await;
    assert_eq!(scene.script.asked(), 0, "it might have one");
    scene.pass(S * 5).await;
    assert!(first.is_finished());
    assert_eq!(
        first.await.unwrap().unwrap(),
        "token-1",
        "which is not kept from its caller by a write that hangs"
    );
    scene.manager.invalidate(&key("notes"), &AccessToken::new("token-1"));
    let second = scene.caller();
    scene.pass(S * 5).await;
    assert!(second.is_finished());
    assert_eq!(second.await.unwrap().unwrap(), "token-2");
}

#[tokio::test]
async fn each_new_token_is_kept_and_so_is_one_after_a_logout() {
    let clock = clock(START);
    let store = memory(&clock);
    let scene = Scene::shelved(clock, store.clone());
    scene.token().await;
    settle().await;
    assert!(holds(&*store, "token-1").await);
    scene.pass(LIFE).await;
    assert!(holds(&*store, "token-2").await);
    scene.handle.log_out().await.unwrap();
    assert!(store.get(&place()).await.unwrap().is_none());
    assert_eq!(scene.token().await, "token-3");
    settle().await;
    assert!(holds(&*store, "token-3").await);
}

// HARD 14
#[tokio::test]
async fn a_write_that_was_under_way_does_not_bring_back_what_a_logout_removed() {
    let clock = clock(START);
    let inner = memory(&clock);
    let store = Scripted::new(inner.clone());
    let scene = Scene::shelved(clock, store.clone());
    // The first logout of the process, and one after which writes outlast an older logout.
    for _ in 0..2 {
        let hold = store.hold_puts();
        scene.clock.advance(S);
        scene.token().await;
        settle().await;
        let leaving = tokio::spawn({
            let handle = scene.handle.clone();
            async move { handle.log_out().await }
        });
        settle().await;
        store.let_go();
        hold.notify_one();
        leaving.await.unwrap().unwrap();
        settle().await;
        assert!(inner.get(&place()).await.unwrap().is_none());
    }
}

// HARD 14
#[tokio::test]
async fn a_write_whose_turn_comes_after_the_logout_is_not_made_and_one_for_later_is() {
    let clock = clock(START);
    let store = memory(&clock);
    let shelf = crate::shelf::Shelf::new(store.clone(), &key("notes"), clock.clone());
    let held = |text: &str| {
        let now = bearward_token::expiry::Moment::now(&*clock);
        crate::held::Held::new(Granted::new(AccessToken::new(text), LIFE), now, 0.0, None)
    };
    for logouts in 1..4 {
        shelf.clear(logouts).await.unwrap();
        shelf.save(&held("before"), logouts - 1).await;
        assert!(store.get(&place()).await.unwrap().is_none(), "{logouts}");
        shelf.save(&held("after"), logouts).await;
        assert!(holds(&*store, "after").await, "{logouts}");
    }
}

// HARD 14
#[tokio::test]
async fn a_logout_that_the_store_does_not_take_is_an_error_and_its_token_is_not_used_again() {
    let clock = clock(START);
    let inner = memory(&clock);
    let store = Scripted::new(inner.clone());
    let scene = Scene::shelved(clock, store.clone());
    scene.token().await;
    settle().await;
    store.fail(true);
    let error = scene.handle.log_out().await.unwrap_err();
    assert_eq!(error.failure.outcome(), "store");
    assert!(holds(&*inner, "token-1").await, "it could not be removed");
    scene.clock.advance(S);
    assert_eq!(scene.token().await, "token-2");
}

// HARD 15
#[tokio::test]
async fn a_token_that_was_refused_is_not_taken_from_the_store_again() {
    let clock = clock(START);
    let scene = Scene::shelved(clock.clone(), memory(&clock));
    scene.token().await;
    settle().await;
    assert!(scene.manager.invalidate(&key("notes"), &AccessToken::new("token-1")));
    assert_eq!(scene.token().await, "token-2");
}

// HARD 18, HARD 19
#[tokio::test]
async fn a_kept_token_that_cannot_be_read_any_more_is_replaced_and_the_next_process_starts_warm_again() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock(START);
    leave_behind(&clock, &files(folder.path(), &clock).await).await;
    for record in std::fs::read_dir(folder.path().join("records")).unwrap() {
        let path = record.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let store = files(folder.path(), &clock).await;
    assert!(matches!(store.get(&place()).await, Err(StoreError::Damaged { .. })));
    let scene = Scene::shelved(clock.clone(), store.clone());
    scene.script.then(Ok(("mended", LIFE)));
    assert_eq!(scene.token().await, "mended");
    scene.manager.shut_down().await;
    assert!(holds(&*store, "mended").await);
}

// HARD 18
#[tokio::test]
async fn who_waits_until_the_store_was_asked_finds_what_it_holds_and_waits_for_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock(START);
    let store = files(folder.path(), &clock).await;
    leave_behind(&clock, &store).await;
    let warm = Scene::shelved(clock.clone(), store);
    warm.handle.prefetch();
    warm.handle.warmed().await;
    assert!(warm.handle.expires_in().is_some(), "at once");
    assert_eq!(warm.script.asked(), 0);

    let cold = Scene::shelved(clock.clone(), memory(&clock));
    let _never = cold.script.hold();
    cold.handle.prefetch();
    cold.handle.warmed().await;
    assert!(cold.handle.expires_in().is_none(), "its server does not answer, and is not waited for");
    Scene::new().handle.warmed().await;
}
