use std::sync::atomic::{AtomicU64, Ordering};

use bearward_token::ManualClock;
use serde_json::json;
use tokio::sync::Notify;

use super::*;

/// Knows tokens that begin with `good`; counts, and answers when it is let.
#[derive(Debug, Default)]
struct Server {
    asked: AtomicU64,
    hold: Mutex<Option<Arc<Notify>>>,
    failure: Mutex<Option<String>>,
}

impl Describe for Server {
    fn describe(&self, token: &AccessToken) -> Describing<'_> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let token = token.expose().to_owned();
        let hold = self.hold.lock().unwrap().clone();
        Box::pin(async move {
            if let Some(hold) = hold {
                hold.notified().await;
            }
            assert!(token != "panic", "nobody foresaw this");
            match self.failure.lock().unwrap().clone() {
                Some(failure) => Err(DescribeError(failure)),
                None if token.starts_with("good") => {
                    Ok(Described::Active(json!({"sub": token}).as_object().unwrap().clone()))
                }
                None => Ok(Described::Inactive),
            }
        })
    }
}

struct Scene {
    server: Arc<Server>,
    clock: Arc<ManualClock>,
    tokens: Arc<OpaqueTokens>,
}

fn scene_of(prefixes: &[&str]) -> Scene {
    let (server, clock) = (Arc::new(Server::default()), Arc::new(ManualClock::at_unix_ms(1_800_000_000_000)));
    let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    let tokens =
        OpaqueTokens::new("https://idp.example".parse().unwrap(), prefixes, server.clone(), clock.clone());
    Scene { server, clock, tokens: Arc::new(tokens) }
}

impl Scene {
    fn asked(&self) -> u64 {
        self.server.asked.load(Ordering::SeqCst)
    }

    async fn claims(&self, token: &str) -> Result<Map<String, Value>, Rejection> {
        self.tokens.claims(Unverified::new(token)).await
    }
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_live_token_has_its_claims_and_a_dead_one_is_refused() {
    let scene = scene_of(&[]);
    assert_eq!(scene.claims("good-1").await.unwrap()["sub"], "good-1");
    assert_eq!(scene.claims("bad").await, Err(Rejection::Inactive));
    assert_eq!(scene.tokens.condition(), Condition::Ready);
}

#[tokio::test]
async fn many_callers_with_one_token_cost_one_question_also_when_the_first_goes_away() {
    let scene = scene_of(&[]);
    let hold = Arc::new(Notify::new());
    *scene.server.hold.lock().unwrap() = Some(hold.clone());
    let ask = || {
        let tokens = scene.tokens.clone();
        tokio::spawn(async move { tokens.claims(Unverified::new("good")).await })
    };
    let first = ask();
    settle().await;
    first.abort();
    let others: Vec<_> = (0..100).map(|_| ask()).collect();
    settle().await;
    hold.notify_one();
    for other in others {
        assert!(other.await.unwrap().is_ok());
    }
    assert_eq!(scene.asked(), 1);
}

// HARD 21
#[tokio::test]
async fn a_token_that_was_refused_is_not_asked_about_again_for_a_while() {
    let scene = scene_of(&[]);
    for _ in 0..10 {
        assert_eq!(scene.claims("bad").await, Err(Rejection::Inactive));
    }
    assert_eq!(scene.asked(), 1);
    scene.clock.advance(REFUSED_FOR);
    assert_eq!(scene.claims("bad").await, Err(Rejection::Inactive));
    assert_eq!(scene.asked(), 2);
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_is_no_refusal_and_nothing_of_it_is_remembered() {
    let scene = scene_of(&[]);
    *scene.server.failure.lock().unwrap() = Some("no answer".into());
    assert_eq!(scene.claims("good").await, Err(Rejection::IntrospectionUnavailable));
    assert!(matches!(scene.tokens.condition(), Condition::Degraded { .. }));
    *scene.server.failure.lock().unwrap() = None;
    assert!(scene.claims("good").await.is_ok());
    assert_eq!(scene.tokens.condition(), Condition::Ready);
    assert_eq!(scene.claims("panic").await, Err(Rejection::IntrospectionUnavailable));
    assert_eq!(scene.claims("panic").await, Err(Rejection::IntrospectionUnavailable), "asked anew");
}

// HARD 21
#[tokio::test]
async fn questions_and_those_who_wait_are_bounded() {
    let scene = scene_of(&[]);
    *scene.server.hold.lock().unwrap() = Some(Arc::new(Notify::new()));
    let waiting: Vec<_> = (0..MOST_WAITING)
        .map(|n| {
            let tokens = scene.tokens.clone();
            tokio::spawn(async move { tokens.claims(Unverified::new(&format!("good-{n}"))).await })
        })
        .collect();
    settle().await;
    while scene.tokens.shared.questions().len() < MOST_WAITING {
        tokio::task::yield_now().await;
    }
    settle().await;
    assert_eq!(scene.asked(), MOST_QUESTIONS as u64);
    assert_eq!(scene.claims("good-one-more").await, Err(Rejection::IntrospectionUnavailable));
    // Whoever waits does so within bounds, and so does the question.
    scene.clock.advance(CALLER_PATIENCE);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), Err(Rejection::IntrospectionUnavailable));
    }
}

#[test]
fn the_longest_prefix_says_whose_token_it_is() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let fits = |prefixes: &[&str], token: &str| scene_of(prefixes).tokens.fits(Unverified::new(token));
    assert_eq!(fits(&[], "anything"), Some(0));
    assert_eq!(fits(&["oat_", "oat_x"], "oat_xyz"), Some(5));
    assert_eq!(fits(&["oat_"], "OAT_x"), None);
}
