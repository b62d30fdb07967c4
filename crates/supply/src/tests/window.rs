//! Fresh, soft window, expired: who waits and who does not.

use super::scene::*;

// HARD 5
#[tokio::test]
async fn inside_the_soft_window_nobody_waits_and_one_refresh_starts() {
    let scene = Scene::new();
    scene.token().await;
    let hold = Arc::new(Notify::new());
    *scene.script.hold.lock().unwrap() = Some(hold.clone());
    scene.clock.advance(LIFE - Duration::from_secs(200));
    for _ in 0..50 {
        assert_eq!(scene.token().await, "token-1", "the old token, at once");
    }
    settle().await;
    assert_eq!(scene.script.asked(), 2, "one refresh for all");
    hold.notify_one();
    settle().await;
    assert_eq!(scene.token().await, "token-2");
}

#[tokio::test]
async fn a_token_is_refreshed_ahead_although_nobody_asks() {
    let scene = Scene::new();
    scene.token().await;
    scene.pass(LIFE * 3).await;
    assert!((4..=5).contains(&scene.script.asked()), "{}", scene.script.asked());
    assert!(scene.handle.expires_in().unwrap() > Duration::from_secs(200));
}

// HARD 6
#[tokio::test]
async fn a_token_that_died_in_a_callers_hand_becomes_no_header() {
    let scene = Scene::new();
    let supplied = scene.handle.ensure_access(&Wanted::default()).await.unwrap();
    assert_eq!(supplied.authorization(&*scene.clock).unwrap(), "Bearer token-1");
    scene.clock.advance(LIFE);
    assert!(supplied.authorization(&*scene.clock).is_none());
}

// HARD 8
#[tokio::test]
async fn a_token_of_one_second_costs_at_most_one_request_a_second() {
    let scene = Arc::new(Scene::new());
    for _ in 0..100 {
        scene.script.then(Ok(("short", S)));
    }
    let caller = tokio::spawn({
        let scene = scene.clone();
        async move {
            loop {
                assert_eq!(scene.token().await, "short");
                scene.clock.sleep(Duration::from_millis(50)).await;
            }
        }
    });
    scene.pass(Duration::from_secs(20)).await;
    caller.abort();
    assert!((10..=21).contains(&scene.script.asked()), "{}", scene.script.asked());
}

#[tokio::test]
async fn min_ttl_beyond_half_of_the_lifetime_does_not_fetch_on_every_call() {
    let scene = Scene::new();
    scene.script.then(Ok(("short", Duration::from_secs(600))));
    let wanted = Wanted { min_ttl: Duration::from_secs(1800), ..Wanted::default() };
    for _ in 0..50 {
        scene.handle.ensure_access(&wanted).await.unwrap();
        settle().await;
    }
    assert_eq!(scene.script.asked(), 1);
    scene.pass(Duration::from_secs(302)).await;
    scene.handle.ensure_access(&wanted).await.unwrap();
    settle().await;
    assert_eq!(scene.script.asked(), 2);
}

fn lasting(min_ttl: Duration) -> Wanted {
    Wanted { min_ttl, ..Wanted::default() }
}

async fn lasts(scene: &Scene, min_ttl: Duration) -> String {
    scene.handle.ensure_lasting(&lasting(min_ttl)).await.unwrap().token().expose().to_owned()
}

#[tokio::test]
async fn who_needs_a_token_that_lasts_waits_for_the_next_where_this_one_does_not() {
    let scene = Scene::new();
    assert_eq!(lasts(&scene, LIFE).await, "token-1", "a new one has all there is");
    scene.clock.advance(LIFE / 4);
    assert_eq!(lasts(&scene, LIFE / 3).await, "token-1");
    scene.clock.advance(LIFE / 4 + S);
    assert_eq!(lasts(&scene, LIFE / 3).await, "token-1");
    assert_eq!(lasts(&scene, LIFE).await, "token-2", "half of a life is what can be asked for");
    assert_eq!(scene.script.asked(), 2);
}

#[tokio::test]
async fn a_token_that_lasts_too_short_is_better_than_none() {
    let scene = Scene::new();
    scene.token().await;
    scene.script.fail_always(Some(Failure::Unavailable { status: 503, retry_after: None }));
    let answer = async |scene: &Scene| {
        let handle = scene.handle.clone();
        let asking = tokio::spawn(async move { handle.ensure_lasting(&lasting(LIFE)).await });
        scene.pass(Duration::from_secs(20)).await;
        asking.await.unwrap().map(|it| it.token().expose().to_owned())
    };
    scene.clock.advance(LIFE - LIFE / 4);
    assert_eq!(answer(&scene).await.unwrap(), "token-1");
    scene.clock.advance(LIFE / 4);
    assert!(answer(&scene).await.is_err(), "and a dead one is not (HARD 6)");
}
