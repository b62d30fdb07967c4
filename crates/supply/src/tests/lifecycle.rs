//! Names, ends, and what is never shown.

use super::scene::*;

#[tokio::test]
async fn a_manager_that_goes_away_tells_its_callers_and_asks_nobody_any_more() {
    let scene = Scene::new();
    scene.token().await;
    scene.manager.shut_down().await;
    scene.pass(LIFE * 2).await;
    let error = scene.try_token().await.unwrap_err();
    assert_eq!(*error.failure, Failure::Stopped);
    assert_eq!(scene.script.asked(), 1);
}

#[tokio::test]
async fn nothing_shows_a_token() {
    let scene = Scene::new();
    let supplied = scene.handle.ensure_access(&Wanted::default()).await.unwrap();
    let header = supplied.authorization(&*scene.clock).unwrap();
    let shown = format!("{supplied:?} {:?} {header:?} {:?}", scene.handle, scene.manager);
    assert!(!shown.contains("token-1"), "{shown}");
}

#[tokio::test]
async fn two_names_for_one_token_share_it_and_each_keeps_its_own_name() {
    let scene = Scene::new();
    let other = scene.manager.handle("other", &key("notes"), scene.script.clone());
    assert_eq!(other.ensure_access(&Wanted::default()).await.unwrap().token().expose(), scene.token().await);
    assert_eq!(scene.script.asked(), 1);
    assert_eq!((&**scene.handle.name(), &**other.name()), ("notes", "other"));
    assert_eq!(Probe::name(&other), "provider other");
}

// HARD 14
#[tokio::test]
async fn a_flight_that_was_asked_for_before_a_logout_and_has_not_begun_does_not_begin() {
    for upkeep in [Upkeep::Always, Upkeep::OnUse] {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let scene = Scene::of(clock, Arc::default(), upkeep, None);
        scene.handle.prefetch();
        scene.handle.entry().forget();
        settle().await;
        scene.pass(S * 120).await;
        assert_eq!(scene.script.asked(), 0, "{upkeep:?}");
        assert_eq!(scene.token().await, "token-1", "who asks afterwards is served");
    }
}

// HARD 34
#[tokio::test]
async fn a_clean_end_does_not_wait_for_a_flight_that_only_sleeps() {
    let between_attempts = Scene::new();
    between_attempts.script.then(Err(Failure::Unavailable { status: 503, retry_after: Some(S * 12) }));
    let before_the_first = Scene::new();
    before_the_first.script.then(Ok(("short", S)));
    before_the_first.token().await;
    before_the_first.clock.advance(Duration::from_millis(990));
    for scene in [between_attempts, before_the_first] {
        let caller = scene.caller();
        settle().await;
        let manager = scene.manager.clone();
        let end = tokio::spawn(async move { manager.shut_down().await });
        settle().await;
        assert!(end.is_finished(), "no time has passed");
        assert!(caller.await.unwrap().is_err());
        assert_eq!(scene.script.asked(), 1);
    }
}

// HARD 18
#[tokio::test]
async fn of_two_who_want_one_token_the_one_who_keeps_more_is_heard() {
    let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
    let store = super::server::memory(&clock);
    let scene = Scene::of(clock, Arc::default(), Upkeep::OnUse, None);
    let keeps = (Upkeep::Always, Some(store.clone()));
    let second = scene.manager.shelved("second", &key("notes"), scene.script.clone(), keeps.0, keeps.1);
    second.ensure_access(&Wanted::default()).await.unwrap();
    settle().await;
    let place = crate::shelf::place(&key("notes"), bearward_store::Purpose::AccessToken);
    assert!(store.get(&place).await.unwrap().is_some());
    scene.pass(LIFE).await;
    assert_eq!(scene.script.asked(), 2, "kept fresh while nobody asks");
}
