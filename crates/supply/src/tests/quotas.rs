//! What an authorization server says of how much it may still be asked.

use bearward_issuer::FetchError;
use bearward_observe::Event;

use super::scene::*;
use crate::quota::{Limit, Quota};

fn limit(left: u64, resets_in: Duration) -> Option<Quota> {
    Some(Quota { limits: vec![Limit { name: "per_hour", most: 10, left, resets_in }] })
}

fn granted(text: &str, lifetime: Duration, left: u64, resets_in: Duration) -> Granted {
    Granted { quota: limit(left, resets_in), ..Granted::new(AccessToken::new(text), lifetime) }
}

/// The next tokens are `t1`, `t2` and so on, with so many requests left after each.
fn scripted(scene: &Scene, lifetime: Duration, lefts: &[u64], resets_in: Duration) {
    let granted =
        lefts.iter().zip(1..).map(|(left, n)| granted(&format!("t{n}"), lifetime, *left, resets_in));
    scene.script.granted.lock().unwrap().extend(granted);
}

#[tokio::test]
async fn what_is_left_is_a_gauge_and_an_event_and_below_a_fifth_is_told_once() {
    let scene = Scene::new();
    let mut events = scene.observer.follow();
    // The request in between counts here before the server says so: that must not swallow the warning.
    scripted(&scene, LIFE, &[3, 2, 1, 1], LIFE * 20);
    for _ in 0..4 {
        scene.token().await;
        scene.clock.advance(LIFE);
    }
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::QuotaSeen { limit, most, left, is_low_now, .. } = event {
            told.push((limit, most, left, is_low_now));
        }
    }
    let seen = |left, is_low_now| ("per_hour", 10, left, is_low_now);
    assert_eq!(told, [seen(3, false), seen(2, false), seen(1, true), seen(1, false)]);
    let metrics = scene.observer.metrics().render().unwrap();
    let gauge = metrics.lines().find(|line| line.contains("quota_left{")).unwrap();
    assert!(gauge.contains("notes") && gauge.contains("per_hour") && gauge.ends_with(" 1.0"), "{gauge}");
}

#[tokio::test]
async fn refreshes_ahead_are_spaced_out_and_nobody_waits_for_them() {
    let scene = Scene::new();
    // Ten minutes a token, one request left for two hours.
    scripted(&scene, S * 600, &[1, 1, 1, 1, 1, 1, 1, 1], LIFE * 2);
    assert_eq!(scene.token().await, "t1");
    scene.script.fail_always(Some(down()));
    scene.pass(S * 500).await;
    assert_eq!(scene.script.asked(), 1, "due, and put off");
    assert_eq!(scene.token().await, "t1");
    assert!(matches!(scene.handle.condition(), Condition::Degraded { .. }));
}

// HARD 5
#[tokio::test]
async fn a_refresh_that_was_put_off_comes_before_the_old_token_dies() {
    let scene = Scene::new();
    scripted(&scene, S * 600, &[1, 1], LIFE * 2);
    scene.token().await;
    for _ in 0..590 {
        scene.clock.advance(S);
        // Before the task had a chance to fetch another one.
        let now = scene.handle.ensure_access(&Wanted { patience: Duration::ZERO, ..Wanted::default() }).await;
        assert!(now.is_ok(), "{now:?}");
        settle().await;
    }
    assert_eq!((scene.token().await.as_str(), scene.script.asked()), ("t2", 2));
}

#[tokio::test]
async fn who_must_have_a_token_gets_the_last_one_there_is_and_who_can_wait_does_not() {
    let scene = Scene::new();
    scripted(&scene, LIFE * 5, &[1], LIFE);
    assert_eq!(scene.token().await, "t1");
    let other = scene.manager.handle("other", &key("other"), scene.script.clone());
    assert_eq!(other.ensure_access(&Wanted::default()).await.unwrap().token().expose(), "token-2");
}

#[tokio::test]
async fn a_spent_quota_is_an_error_that_says_when_it_begins_anew_and_it_does() {
    let scene = Scene::new();
    scripted(&scene, LIFE, &[0], S * 1000);
    scene.token().await;
    let other = scene.manager.handle("other", &key("other"), scene.script.clone());
    let error = other.ensure_access(&Wanted::default()).await.unwrap_err();
    assert_eq!((*error.failure).clone(), Failure::QuotaSpent { left: S * 1000 });
    assert_eq!(error.retry_after, Some(S * 1000));
    scene.pass(S * 400).await;
    let error = other.ensure_access(&Wanted::default()).await.unwrap_err();
    assert_eq!((error.retry_after, scene.script.asked()), (Some(S * 600), 1), "and nobody asks before");
    scene.pass(S * 601).await;
    assert!(other.ensure_access(&Wanted::default()).await.is_ok());
}

fn unreachable() -> Failure {
    Failure::Unreachable(FetchError::Connect { url: "as".into(), reason: "connection refused".into() })
}

#[tokio::test]
async fn an_outage_and_a_dead_login_spend_no_quota() {
    let scene = Scene::new();
    scripted(&scene, LIFE, &[7], LIFE * 24);
    assert_eq!(scene.token().await, "t1");
    // Asked for by the same client, and nothing of it leaves.
    let dead = Arc::new(Script::default());
    dead.fail_always(Some(Failure::ReauthRequired { reason: "spent".into() }));
    let login = scene.manager.handle("login", &key("login"), dead.clone());
    assert!(login.ensure_access(&Wanted::default()).await.is_err());
    scene.script.fail_always(Some(unreachable()));
    scene.pass(LIFE - S * 20).await;
    assert!(scene.script.asked() > 5 && dead.asked() > 50, "{} {}", scene.script.asked(), dead.asked());
    scene.script.fail_always(None);
    scene.pass(S * 40).await;
    assert!(scene.token().await.starts_with("token-"), "also for who is not ahead of time");
    let third = scene.manager.handle("third", &key("third"), scene.script.clone());
    assert!(third.ensure_access(&Wanted::default()).await.is_ok());
}

#[tokio::test]
async fn one_organizations_spent_quota_is_shown_by_its_name_and_stops_no_other() {
    let scene = Scene::new();
    let mut headers = http::HeaderMap::new();
    headers.insert("auth0-client-quota-limit", "b=per_hour;q=1000;r=900;t=3000".parse().unwrap());
    headers.insert("auth0-organization-quota-limit", "b=per_hour;q=10;r=0;t=3000".parse().unwrap());
    let quota = Quota::read(&headers, scene.clock.unix_ms());
    let first = Granted { quota, ..Granted::new(AccessToken::new("t1"), LIFE) };
    scene.script.granted.lock().unwrap().push_back(first);
    let of = |organization: &str| {
        let extra = vec![("organization".into(), organization.into())];
        let key = TokenKey::from(KeyParts { extra, ..key("notes").parts().clone() });
        scene.manager.handle(organization, &key, scene.script.clone())
    };
    of("one").ensure_access(&Wanted::default()).await.unwrap();
    assert!(of("other").ensure_access(&Wanted::default()).await.is_ok());
    let metrics = scene.observer.metrics().render().unwrap();
    let gauges: Vec<_> = metrics.lines().filter(|line| line.contains("quota_left{")).collect();
    let shows = |limit: &str, end: &str| {
        gauges.iter().any(|gauge| gauge.contains(&format!("\"{limit}\"")) && gauge.ends_with(end))
    };
    assert!(shows("per_hour", " 900.0") && shows("organization_per_hour", " 0.0"), "{gauges:?}");
}
