use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bearward_token::{Endpoint, ManualClock};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::*;
use crate::fetch::{Fetch, Fetched, Fetching, Form, JsonRequest};

/// A server with metadata, which counts and can be down.
#[derive(Debug, Default)]
struct Server {
    asked: AtomicU64,
    is_down: AtomicBool,
    is_slow: AtomicBool,
}

impl Fetch for Server {
    fn get<'a>(&'a self, _: &'a Endpoint, _: Option<http::HeaderValue>) -> Fetching<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let status = if self.is_down.load(Ordering::SeqCst) { 503 } else { 200 };
        let body = r#"{"issuer": "https://as.example", "token_endpoint": "https://as.example/token"}"#;
        let answer = Fetched {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        };
        let is_slow = self.is_slow.load(Ordering::SeqCst);
        Box::pin(async move {
            for _ in 0..if is_slow { 10 } else { 0 } {
                tokio::task::yield_now().await;
            }
            Ok(answer)
        })
    }

    fn post<'a>(&'a self, _: &'a Endpoint, _: Form) -> Fetching<'a> {
        unreachable!("metadata is read only")
    }

    fn post_json<'a>(&'a self, _: &'a Endpoint, _: JsonRequest) -> Fetching<'a> {
        unreachable!("metadata is read only")
    }
}

struct Scene {
    server: Arc<Server>,
    clock: Arc<ManualClock>,
    known: KnownMetadata,
}

fn scene() -> Scene {
    let (server, clock) = (Arc::new(Server::default()), Arc::new(ManualClock::at_unix_ms(0)));
    let discovery = Discovery::new(server.clone(), clock.clone());
    let known = KnownMetadata::new("https://as.example".parse().unwrap(), discovery, clock.clone());
    Scene { server, clock, known }
}

impl Scene {
    /// Whether there is metadata, and how often the server was asked so far.
    async fn get(&self) -> (bool, u64) {
        (self.known.get().await.is_ok(), self.server.asked.load(Ordering::SeqCst))
    }

    fn set_down(&self, is_down: bool) {
        self.server.is_down.store(is_down, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_was_found_counts_for_ten_minutes_and_is_then_looked_up_again() {
    let scene = scene();
    assert_eq!(scene.get().await, (true, 1));
    scene.clock.advance(FRESH - Duration::from_millis(1));
    assert_eq!(scene.get().await, (true, 1));
    scene.clock.advance(Duration::from_millis(1));
    assert_eq!(scene.get().await, (true, 2));
}

#[tokio::test]
async fn what_is_known_outlives_a_server_that_is_down() {
    let scene = scene();
    assert_eq!(scene.get().await, (true, 1));
    scene.set_down(true);
    scene.clock.advance(FRESH);
    assert_eq!(scene.get().await, (true, 2));
    assert_eq!(scene.get().await, (true, 2), "not asked again at once");
    scene.clock.advance(DOUBT_INTERVAL);
    assert_eq!(scene.get().await, (true, 3));
}

#[tokio::test]
async fn while_nothing_is_known_each_question_asks_and_each_failure_is_told() {
    let scene = scene();
    scene.set_down(true);
    assert_eq!(scene.get().await, (false, 1));
    assert_eq!(scene.get().await, (false, 2));
    scene.set_down(false);
    assert_eq!(scene.get().await, (true, 3));
}

#[tokio::test]
async fn what_is_doubted_is_looked_up_again_at_most_every_half_minute() {
    let scene = scene();
    assert_eq!(scene.get().await, (true, 1));
    scene.known.doubt();
    assert_eq!(scene.get().await, (true, 1), "found a moment ago");
    scene.clock.advance(DOUBT_INTERVAL);
    scene.known.doubt();
    assert_eq!(scene.get().await, (true, 2));
    scene.known.doubt();
    assert_eq!(scene.get().await, (true, 2));
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_cost_one_question_whatever_comes_of_it() {
    let scene = scene();
    let all = || futures_util::future::join_all((0..100).map(|_| scene.known.get()));
    scene.server.is_slow.store(true, Ordering::SeqCst);
    scene.set_down(true);
    assert!(all().await.iter().all(Result::is_err));
    assert_eq!(scene.server.asked.swap(0, Ordering::SeqCst), 1);
    scene.set_down(false);
    assert!(all().await.iter().all(Result::is_ok));
    assert_eq!(scene.server.asked.load(Ordering::SeqCst), 1);
}
