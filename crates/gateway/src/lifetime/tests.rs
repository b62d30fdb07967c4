#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;
use std::sync::Mutex;

use bearward_guard::loaders::Inline;
use bearward_guard::{Expectations, KeySource, TrustedIssuer};
use bearward_observe::Observer;
use bearward_token::ManualClock;
use serde_json::json;
use tokio::sync::Notify;

use super::*;
use crate::signing::SigningKeys;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://idp.example.com";
const GRACE: Duration = Duration::from_secs(5);

/// Answers as it was told, one after the other; then that nothing is known.
#[derive(Default)]
struct Told {
    standings: Mutex<VecDeque<Standing>>,
    looks: Mutex<u32>,
    revoked: Notify,
}

impl Holds for Told {
    fn look(&self) -> Looking<'_> {
        *self.looks.lock().unwrap() += 1;
        let standing = self.standings.lock().unwrap().pop_front().unwrap_or(Standing::Unknown);
        Box::pin(async { standing })
    }

    fn revoked<'a>(&'a self, _: &'a Verified) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(self.revoked.notified())
    }
}

/// A caller whose token lives for so many seconds.
async fn caller(clock: &Arc<ManualClock>, lifetime: u64) -> Verified {
    let shared: Arc<dyn Clock> = clock.clone();
    let keys = SigningKeys::own(shared.clone()).unwrap();
    let plain = Guard::builder("https://mcp.example.com/mcp").issuer(ISSUER).build().unwrap();
    let document = keys.jwks().to_string();
    let source = KeySource::start(ISSUER.parse().unwrap(), Arc::new(Inline { document }), shared.clone());
    let issuer = TrustedIssuer {
        issuer: ISSUER.parse().unwrap(),
        keys: Some(Arc::new(source)),
        opaque: None,
        algorithms: vec![bearward_guard::keys::Algorithm::EdDSA],
        expectations: Expectations::for_audiences(vec!["x".into()]),
    };
    let guard = Guard::new(plain.settings().clone(), vec![issuer], shared, Observer::new());
    let claims = json!({"iss": ISSUER, "sub": "alice", "aud": "x", "exp": NOW + lifetime});
    let jwt = keys.sign("at+jwt", claims.as_object().unwrap()).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {jwt}").parse().unwrap());
    while guard.issuers()[0].keys.as_ref().unwrap().generation() == 0 {
        tokio::task::yield_now().await;
    }
    guard.admit(&headers, None, None).await.unwrap()
}

struct Scene {
    clock: Arc<ManualClock>,
    told: Arc<Told>,
    over: tokio::task::JoinHandle<()>,
}

impl Scene {
    /// A stream whose token lives for so many seconds and of which is told what `standings` says.
    async fn new(lifetime: u64, standings: Vec<Standing>) -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(NOW * 1000));
        let told = Arc::new(Told { standings: Mutex::new(standings.into()), ..Told::default() });
        let ticket = Ticket {
            caller: caller(&clock, lifetime).await,
            grace: GRACE,
            clock: clock.clone(),
            token: told.clone(),
        };
        let scene = Self { clock, told, over: tokio::spawn(ticket.end()) };
        scene.settle().await;
        scene
    }

    async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    async fn is_over_after(&self, seconds: u64) -> bool {
        self.clock.advance(Duration::from_secs(seconds));
        self.settle().await;
        self.over.is_finished()
    }

    fn looks(&self) -> u32 {
        *self.told.looks.lock().unwrap()
    }
}

// SPEC PX-5
#[tokio::test]
async fn a_stream_ends_with_its_token_and_the_grace() {
    let scene = Scene::new(20, vec![]).await;
    assert!(!scene.is_over_after(24).await);
    assert!(scene.is_over_after(1).await);
    assert_eq!(scene.looks(), 0, "nobody had to be asked");
}

#[tokio::test]
async fn a_token_that_is_withdrawn_or_ended_by_its_issuer_is_seen_within_a_minute() {
    let clock = Arc::new(ManualClock::at_unix_ms(NOW * 1000));
    let still = Standing::Holds(caller(&clock, 3600).await);
    let scene = Scene::new(3600, vec![still, Standing::Unknown, Standing::Gone]).await;
    assert!(!scene.is_over_after(60).await);
    assert!(!scene.is_over_after(60).await, "an issuer that is down ends nothing");
    assert!(scene.is_over_after(60).await);
    assert_eq!(scene.looks(), 3);
}

// HARD 23
#[tokio::test]
async fn a_revocation_ends_it_at_once() {
    let scene = Scene::new(3600, vec![]).await;
    assert!(!scene.is_over_after(1).await);
    scene.told.revoked.notify_one();
    assert!(scene.is_over_after(0).await);
}
