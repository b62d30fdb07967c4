//! What goes wrong, and how it goes on.

use super::scene::*;
use crate::gate::Urgency;

#[tokio::test]
async fn a_failing_refresh_keeps_the_old_token_until_hard_expiry_and_then_says_when_to_come_back() {
    let scene = Scene::new();
    scene.token().await;
    scene.script.fail_always(Some(down()));
    scene.pass(LIFE - Duration::from_secs(60)).await;
    assert_eq!(scene.token().await, "token-1");
    let tried = scene.script.asked();
    assert!(tried > 5, "keeps trying: {tried}");
    assert!(matches!(scene.handle.condition(), Condition::Degraded { .. }));

    scene.pass(Duration::from_secs(61)).await;
    let outcome = scene.try_token().await;
    let error = outcome.unwrap_err();
    assert!(error.retry_after.is_some(), "{error}");
    assert!(matches!(scene.handle.condition(), Condition::Down { .. }));

    scene.script.fail_always(None);
    scene.pass(Duration::from_secs(61)).await;
    assert!(scene.token().await.starts_with("token-"));
    assert_eq!(scene.handle.condition(), Condition::Ready);
}

#[tokio::test]
async fn a_cold_flight_retries_passing_failures_by_itself() {
    let scene = Arc::new(Scene::new());
    scene.script.then(Err(down()));
    scene.script.then(Err(Failure::BadResponse { reason: "half" }));
    let caller = tokio::spawn({
        let scene = scene.clone();
        async move { scene.token().await }
    });
    settle().await;
    scene.pass(Duration::from_secs(3)).await;
    assert_eq!(caller.await.unwrap(), "token-3");
}

#[tokio::test]
async fn a_refusal_is_told_at_once_and_a_new_secret_is_tried_within_a_second() {
    let scene = Scene::new();
    scene.script.fail_always(Some(refused()));
    let error = scene.try_token().await.unwrap_err();
    assert_eq!(*error.failure, refused());
    for _ in 0..100 {
        assert!(scene.try_token().await.is_err());
    }
    assert_eq!(scene.script.asked(), 1, "nobody hammers with a secret that was refused");

    scene.script.fail_always(None);
    *scene.script.version.lock().unwrap() = 1;
    scene.clock.advance(S);
    assert_eq!(scene.token().await, "token-2");
}

#[tokio::test]
async fn a_refused_secret_is_tried_again_by_itself_now_and_then() {
    let scene = Scene::new();
    scene.script.then(Err(refused()));
    assert!(scene.try_token().await.is_err());
    scene.pass(Duration::from_secs(31)).await;
    assert_eq!(scene.token().await, "token-2");
}

#[tokio::test]
async fn retry_after_holds_back_all_tokens_of_the_issuer_and_client() {
    let scene = Scene::new();
    scene.script.then(Err(Failure::RateLimited { retry_after: Some(Duration::from_secs(120)) }));
    let error = scene.try_token().await.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(120)));

    let other_script = Arc::new(Script::default());
    let other = scene.manager.handle("other", &key("other"), other_script.clone());
    let error = other.ensure_access(&Wanted::default()).await.unwrap_err();
    // One after the other.
    let retry_after = error.retry_after.unwrap();
    assert!(retry_after > S * 120 && retry_after < S * 121, "{retry_after:?}");
    assert_eq!(other_script.asked(), 0);

    scene.pass(Duration::from_secs(121)).await;
    assert_eq!(scene.token().await, "token-2");
}

#[tokio::test]
async fn a_token_that_is_dead_when_it_arrives_is_a_failure_that_says_so_and_when_to_come_back() {
    let scene = Scene::new();
    let hold = Arc::new(Notify::new());
    *scene.script.hold.lock().unwrap() = Some(hold.clone());
    scene.script.then(Ok(("short", S)));
    scene.script.fail_always(Some(refused()));
    let caller = tokio::spawn({
        let handle = scene.handle.clone();
        async move { handle.ensure_access(&Wanted::default()).await }
    });
    settle().await;
    scene.clock.advance(S * 2);
    *scene.script.hold.lock().unwrap() = None;
    hold.notify_one();
    scene.pass(S * 2).await;
    let error = caller.await.unwrap().unwrap_err();
    assert!(error.retry_after.is_some(), "{error}");
    assert_eq!(scene.script.asked(), 2, "tried again before it told");
    assert_ne!(*error.failure, Failure::Stopped);
}

/// The most requests within a second, over a minute.
async fn most_in_a_second(scene: &Scene) -> u64 {
    let mut most = 0;
    for _ in 0..60 {
        let before = scene.script.asked();
        scene.clock.advance(S);
        settle().await;
        most = most.max(scene.script.asked() - before);
    }
    most
}

fn thousand_keys(scene: &Scene) -> Vec<Handle> {
    let handle = |n| scene.manager.handle("n", &key(&format!("k{n}")), scene.script.clone());
    let keys: Vec<_> = (0..1000).map(handle).collect();
    keys.iter().for_each(Handle::prefetch);
    keys
}

// HARD 16
#[tokio::test]
async fn a_thousand_keys_come_one_after_the_other_when_the_pause_that_the_server_asked_for_ends() {
    let scene = Scene::new();
    scene.script.then(Err(Failure::RateLimited { retry_after: Some(S * 60) }));
    let keys = thousand_keys(&scene);
    settle().await;
    assert_eq!(scene.script.asked(), 1);
    scene.clock.advance(S * 60 - Duration::from_millis(1));
    settle().await;
    assert_eq!(scene.script.asked(), 1, "and none of them before");
    let most = most_in_a_second(&scene).await;
    assert!(most < 100, "{most}");
    assert!(keys.iter().all(|handle| handle.expires_in().is_some()), "and all of them come");
}

// HARD 16
#[tokio::test]
async fn a_thousand_keys_come_one_after_the_other_when_the_breakers_probe_has_succeeded() {
    let scene = Scene::new();
    scene.script.fail_always(Some(down()));
    let keys = thousand_keys(&scene);
    for _ in 0..35 {
        scene.clock.advance(S);
        settle().await;
    }
    scene.script.fail_always(None);
    let most = most_in_a_second(&scene).await;
    assert!(most < 100, "{most}");
    assert!(keys.iter().all(|handle| handle.expires_in().is_some()), "and all of them come");
}

// HARD 16
#[tokio::test]
async fn who_was_told_to_wait_by_an_answer_of_their_own_come_one_after_the_other_too() {
    let scene = Scene::new();
    scene.script.fail_always(Some(Failure::RateLimited { retry_after: Some(S * 60) }));
    scene.script.hold();
    let keys = thousand_keys(&scene);
    settle().await;
    assert_eq!(scene.script.asked(), 1000, "nobody knew");
    scene.script.let_go();
    settle().await;
    scene.script.fail_always(None);
    scene.clock.advance(S * 59);
    let most = most_in_a_second(&scene).await;
    assert!(most < 100, "{most}");
    assert!(keys.iter().all(|handle| handle.expires_in().is_some()), "and all of them come");
}

// HARD 5
#[tokio::test]
async fn a_refresh_ahead_does_not_stand_in_line_until_the_old_token_is_dead() {
    let scene = Scene::new();
    scene.script.then(Ok(("short", S * 20)));
    scene.token().await;
    scene.script.then(Err(Failure::RateLimited { retry_after: Some(S) }));
    // Whoever else was held back.
    for _ in 0..200 {
        scene.handle.entry().gate.turn(scene.clock.monotonic() + S * 17, Urgency::Ahead, 0.5);
    }
    for _ in 0..400 {
        scene.clock.advance(Duration::from_millis(50));
        let now = scene.handle.ensure_access(&Wanted { patience: Duration::ZERO, ..Wanted::default() }).await;
        assert!(now.is_ok(), "{now:?}");
        settle().await;
    }
}
