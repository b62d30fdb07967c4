//! Clocks that are slow, set, or stand still.

use bearward_observe::Event;

use super::scene::*;

#[tokio::test]
async fn expiry_counts_from_when_the_request_was_sent() {
    let scene = Arc::new(Scene::new());
    let hold = Arc::new(Notify::new());
    *scene.script.hold.lock().unwrap() = Some(hold.clone());
    let caller = tokio::spawn({
        let scene = scene.clone();
        async move { scene.token().await }
    });
    settle().await;
    scene.clock.advance(Duration::from_secs(4));
    hold.notify_one();
    caller.await.unwrap();
    assert_eq!(scene.handle.expires_in(), Some(LIFE - Duration::from_secs(4)));
}

#[tokio::test]
async fn clock_steps_and_suspension_serve_no_dead_token_and_start_no_storm() {
    for disturb in [
        (|clock: &ManualClock| clock.step_wall(7_200_000)) as fn(&ManualClock),
        |clock| clock.step_wall(-7_200_000),
        |clock| clock.suspend(LIFE * 2),
    ] {
        let scene = Scene::new();
        scene.token().await;
        scene.pass(S).await;
        disturb(&scene.clock);
        for _ in 0..100 {
            scene.token().await;
            settle().await;
        }
        assert!(scene.script.asked() <= 2, "{}", scene.script.asked());
    }
}

// HARD 9
#[tokio::test]
async fn after_a_suspension_a_token_that_has_died_is_replaced_although_nobody_asks() {
    let scene = Scene::new();
    scene.token().await;
    scene.clock.suspend(LIFE * 2);
    assert!(
        matches!(scene.handle.condition(), Condition::Down { .. }),
        "who asks readiness alone wakes nobody"
    );
    scene.pass(S * 61).await;
    assert_eq!((scene.script.asked(), scene.handle.condition()), (2, Condition::Ready));
}

#[tokio::test]
async fn a_clock_that_was_wrong_for_a_while_brings_no_refresh_forward() {
    let scene = Arc::new(Scene::new());
    let hold = Arc::new(Notify::new());
    *scene.script.hold.lock().unwrap() = Some(hold.clone());
    let caller = tokio::spawn({
        let scene = scene.clone();
        async move { scene.token().await }
    });
    settle().await;
    // Set forward while the token is fetched, and right again.
    scene.clock.step_wall(1_800_000);
    hold.notify_one();
    caller.await.unwrap();
    *scene.script.hold.lock().unwrap() = None;
    scene.pass(S * 10).await;
    scene.clock.step_wall(-1_800_000);
    scene.pass(Duration::from_secs(2400)).await;
    assert_eq!(scene.script.asked(), 1);
}

#[tokio::test]
async fn only_a_token_that_is_to_be_there_before_anybody_asks_can_be_late() {
    for (upkeep, is_timed) in [(Upkeep::Always, true), (Upkeep::OnUse, false)] {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let scene = Scene::of(clock, Arc::default(), upkeep, None);
        let mut events = scene.observer.follow();
        scene.token().await;
        // At once: a keeper that wakes is as late.
        scene.clock.advance(LIFE * 20);
        scene.token().await;
        let mut late = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let Event::TokenFetched { late: Some(by), .. } = event {
                late.push(by);
            }
        }
        assert_eq!(late.len(), usize::from(is_timed), "{upkeep:?}: {late:?}");
    }
}
