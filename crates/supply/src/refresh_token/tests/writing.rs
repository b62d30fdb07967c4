//! Durable first, then used (HARD 13).

use std::time::Duration;

use bearward_store::{SealedFiles, SealingKeys};
use bearward_token::SealingKey;

use super::*;

// HARD 13
#[tokio::test]
async fn the_next_refresh_token_is_written_before_its_access_token_is_handed_out() {
    let scene = Scene::new();
    let hold = scene.store.hold_puts();
    let caller = scene.caller();
    settle().await;
    // What was given is written first.
    hold.notify_one();
    settle().await;
    assert_eq!(scene.log(), ["write refresh-0", "spend refresh-0"]);
    assert!(!caller.is_finished(), "answered, and not written yet");
    hold.notify_one();
    assert_eq!(caller.await.unwrap(), Ok("access-1".into()));
    assert_eq!(
        (scene.log(), scene.stored().await),
        (vec!["write refresh-1".into()], Some("refresh-1".into()))
    );
}

// HARD 13
#[tokio::test]
async fn while_it_cannot_be_written_nothing_is_handed_out_and_nothing_else_is_spent() {
    let scene = Scene::new();
    let hold = scene.store.hold_puts();
    let caller = scene.caller();
    settle().await;
    hold.notify_one();
    settle().await;
    scene.store.let_go();
    scene.store.fail(true);
    hold.notify_one();
    let failure = caller.await.unwrap().unwrap_err();
    assert_eq!((failure.outcome(), failure.is_passing()), ("store", true));
    for _ in 0..5 {
        assert_eq!(scene.token().await.unwrap_err().outcome(), "store");
    }
    scene.clock.advance(Duration::from_secs(100));
    scene.store.fail(false);
    let granted = scene.grant.request().await.unwrap();
    assert_eq!(granted.access_token.expose(), "access-1");
    assert_eq!(granted.lifetime, Duration::from_secs(3500), "counted from when it was asked for");
    assert_eq!((scene.server.count("spend"), scene.stored().await), (1, Some("refresh-1".into())));
}

// HARD 13
#[tokio::test]
async fn a_store_that_hangs_is_an_error_of_its_own_in_bounded_time_and_what_came_is_kept() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    scene.server.hold();
    let caller = scene.caller();
    settle().await;
    scene.store.hang(true);
    scene.server.let_go();
    settle().await;
    scene.clock.advance(Duration::from_secs(5));
    assert_eq!(caller.await.unwrap().unwrap_err().outcome(), "store");
    scene.store.hang(false);
    assert_eq!(scene.token().await, Ok("access-2".into()));
    assert_eq!((scene.server.count("spend"), scene.stored().await), (2, Some("refresh-2".into())));
}

// HARD 12, HARD 13
#[tokio::test]
async fn a_write_that_was_done_although_nobody_heard_of_it_is_not_taken_for_somebody_elses() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    *scene.store.is_mute.lock().unwrap() = true;
    let caller = scene.caller();
    settle().await;
    scene.clock.advance(Duration::from_secs(5));
    assert_eq!(caller.await.unwrap().unwrap_err().outcome(), "store");
    *scene.store.is_mute.lock().unwrap() = false;
    assert_eq!(scene.token().await, Ok("access-2".into()));
    assert_eq!((scene.server.count("spend"), scene.server.count("revoke")), (2, 0));
    assert_eq!(scene.stored().await, Some("refresh-2".into()));
}

// HARD 13
#[tokio::test]
async fn a_caller_that_goes_away_costs_neither_the_refresh_token_nor_another_request() {
    let scene = Scene::new();
    scene.server.hold();
    let first = scene.caller();
    settle().await;
    first.abort();
    // Others that came meanwhile and went too spend nothing when it is their turn.
    let others = [scene.caller(), scene.caller(), scene.caller()];
    settle().await;
    others.iter().for_each(tokio::task::JoinHandle::abort);
    let waits = scene.caller();
    settle().await;
    scene.server.let_go();
    assert_eq!(waits.await.unwrap(), Ok("access-1".into()));
    assert_eq!((scene.server.count("spend"), scene.stored().await), (1, Some("refresh-1".into())));
    assert_eq!(scene.token().await, Ok("access-2".into()), "and it is handed out once");
}

// HARD 16
#[tokio::test]
async fn requests_that_nobody_waits_for_any_more_are_not_made_when_their_turn_comes() {
    let scene = Scene::new();
    scene.server.answers(503, "");
    scene.server.hold();
    let callers = [scene.caller(), scene.caller(), scene.caller(), scene.caller()];
    settle().await;
    callers.iter().for_each(tokio::task::JoinHandle::abort);
    settle().await;
    scene.server.let_go();
    settle().await;
    assert_eq!(scene.server.count("spend"), 1);
    assert_eq!(scene.token().await, Ok("access-1".into()));
}

#[tokio::test]
async fn a_token_that_nobody_took_is_asked_for_anew_when_little_is_left_of_it() {
    let scene = Scene::new();
    scene.server.hold();
    let caller = scene.caller();
    settle().await;
    caller.abort();
    scene.server.let_go();
    settle().await;
    scene.clock.advance(Duration::from_secs(3600 - 60));
    assert_eq!(scene.token().await, Ok("access-2".into()));
}

// HARD 13
#[tokio::test]
async fn a_crash_before_the_write_shows_as_a_login_that_has_ended_and_the_dead_token_is_spent_once() {
    let (folder, clock) =
        (tempfile::tempdir().unwrap(), Arc::new(ManualClock::at_unix_ms(1_800_000_000_000)));
    let open = async || {
        let key = SealingKey::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        let keys = SealingKeys::parse([&key]).unwrap();
        Arc::new(SealedFiles::open(folder.path(), keys, clock.clone()).await.unwrap())
    };
    let server = Server::new("refresh-0");
    {
        let scene = Scene::of(clock.clone(), server.clone(), open().await);
        assert_eq!(scene.token().await, Ok("access-1".into()));
        let (login, version) = {
            let standing = scene.grant.inner.login().await.unwrap();
            (standing.login, standing.version)
        };
        assert_eq!(scene.token().await, Ok("access-2".into()));
        // As if the process had ended between the answer and the write.
        let record = scene.inner.get(&scene.grant.inner.place).await.unwrap().unwrap();
        assert!(record.version > version);
        scene.inner.put(&scene.grant.inner.place, login.pack(), None, Expected::Any).await.unwrap();
    }
    server.log();
    for _ in 0..3 {
        let scene = Scene::of(clock.clone(), server.clone(), open().await);
        for _ in 0..5 {
            assert!(is_ended(&scene.token().await));
        }
    }
    assert_eq!(server.count("spend"), 1, "over three starts");
}

// HARD 13
#[tokio::test]
async fn a_dead_token_is_spent_once_although_its_end_cannot_be_written_down() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    scene.server.takes("none");
    scene.store.fail(true);
    for _ in 0..5 {
        assert!(is_ended(&scene.token().await));
    }
    assert_eq!(scene.server.count("spend refresh-1"), 1);
    scene.store.fail(false);
    assert!(is_ended(&scene.token().await));
    assert_eq!(scene.stored().await, None, "written down as soon as that can be");
}
