use std::sync::atomic::{AtomicU32, Ordering};

use bearward_token::ManualClock;
use futures_util::future::{join_all, pending};

use super::*;
use crate::AwsRef;

const FRESH: Duration = Duration::from_secs(30);

struct Scene {
    clock: Arc<ManualClock>,
    kept: Kept,
    flights: AtomicU32,
    store: Mutex<Result<&'static str, SecretError>>,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let reference = SecretRef::Aws(AwsRef { id: "prod/notes".into(), field: None, stage: None });
        let kept = Kept::new(reference, Store::Aws, FRESH, clock.clone());
        Self { clock, kept, flights: AtomicU32::new(0), store: Mutex::new(Ok("one")) }
    }

    fn store_says(&self, what: Result<&'static str, SecretError>) {
        *self.store.lock().unwrap() = what;
    }

    async fn read(&self) -> Result<String, SecretError> {
        let flight = || async {
            self.flights.fetch_add(1, Ordering::Relaxed);
            // Others get their turn meanwhile, as they do when it takes a network.
            tokio::task::yield_now().await;
            self.store.lock().unwrap().clone().map(ClientSecret::new)
        };
        self.kept.get(flight).await.map(|secret| secret.expose().to_owned())
    }

    fn flights(&self) -> u32 {
        self.flights.load(Ordering::Relaxed)
    }
}

fn said(text: &str) -> Result<String, SecretError> {
    Ok(text.to_owned())
}

#[tokio::test]
async fn a_value_is_fresh_for_its_time_and_then_read_anew() {
    let scene = Scene::new();
    assert_eq!(scene.read().await, said("one"));
    scene.store_says(Ok("two"));
    scene.clock.advance(FRESH - Duration::from_millis(1));
    assert_eq!(scene.read().await, said("one"));
    scene.clock.advance(Duration::from_millis(1));
    assert_eq!((scene.read().await, scene.flights()), (said("two"), 2));
}

#[tokio::test]
async fn a_machine_that_slept_reads_anew_although_its_monotonic_clock_stood_still() {
    let scene = Scene::new();
    assert_eq!(scene.read().await, said("one"));
    scene.store_says(Ok("two"));
    scene.clock.suspend(FRESH);
    assert_eq!(scene.read().await, said("two"));
}

#[tokio::test]
async fn many_readers_cost_one_flight_also_when_it_fails() {
    let scene = Scene::new();
    let all = join_all((0..100).map(|_| scene.read())).await;
    assert!(all.iter().all(|read| *read == said("one")));
    assert_eq!(scene.flights(), 1);
    let scene = Scene::new();
    scene.store_says(Err(SecretError::Sealed));
    let all = join_all((0..100).map(|_| scene.read())).await;
    assert!(all.iter().all(|read| *read == Err(SecretError::Sealed)));
    assert_eq!((scene.flights(), scene.kept.trouble()), (1, Some(SecretError::Sealed)));
}

#[tokio::test]
async fn what_was_known_serves_while_the_store_fails_and_the_store_is_asked_now_and_then() {
    let scene = Scene::new();
    assert_eq!(scene.read().await, said("one"));
    scene.store_says(Err(SecretError::Sealed));
    scene.clock.advance(FRESH);
    for _ in 0..10 {
        assert_eq!(scene.read().await, said("one"));
    }
    assert_eq!((scene.flights(), scene.kept.trouble()), (2, None));
    scene.store_says(Ok("two"));
    scene.clock.advance(REST_WITH_KNOWN);
    assert_eq!(scene.read().await, said("two"));
}

#[tokio::test]
async fn with_nothing_known_a_store_that_comes_back_is_asked_within_a_second() {
    let scene = Scene::new();
    scene.store_says(Err(SecretError::NoRegion));
    assert_eq!(scene.read().await, Err(SecretError::NoRegion));
    scene.store_says(Ok("one"));
    assert_eq!(scene.read().await, Err(SecretError::NoRegion));
    scene.clock.advance(REST);
    assert_eq!(scene.read().await, said("one"));
}

#[tokio::test]
async fn a_store_that_never_answers_is_given_up_and_sooner_when_something_is_known() {
    let scene = Scene::new();
    let silence =
        async |scene: &Scene| scene.kept.get(pending).await.map(|secret| secret.expose().to_owned());
    let waits = |after: Duration| {
        let clock = scene.clock.clone();
        async move {
            while clock.sleepers() == 0 {
                tokio::task::yield_now().await;
            }
            clock.advance(after);
        }
    };
    let (read, ()) = tokio::join!(silence(&scene), waits(PATIENCE));
    assert_eq!(read, Err(SecretError::Timeout { store: Store::Aws, after: PATIENCE }));
    scene.clock.advance(REST);
    assert_eq!(scene.read().await, said("one"));
    scene.clock.advance(FRESH);
    let (read, ()) = tokio::join!(silence(&scene), waits(PATIENCE_WITH_KNOWN));
    assert_eq!(read, said("one"));
}

#[tokio::test]
async fn a_reader_that_goes_away_leaves_the_flight_to_the_next() {
    let scene = Scene::new();
    let mut first = Box::pin(scene.kept.get(pending));
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut second = Box::pin(scene.read());
    assert!(futures_util::poll!(&mut second).is_pending());
    assert_eq!(scene.flights(), 0, "one at a time");
    drop(first);
    assert_eq!((second.await, scene.flights()), (said("one"), 1));
}

#[tokio::test]
async fn a_doubted_value_is_read_anew_though_not_for_every_doubt() {
    let scene = Scene::new();
    assert_eq!(scene.read().await, said("one"));
    scene.store_says(Ok("two"));
    scene.kept.doubt();
    assert_eq!(scene.read().await, said("two"));
    scene.store_says(Ok("three"));
    scene.kept.doubt();
    assert_eq!(scene.read().await, said("two"));
    scene.clock.advance(DOUBT_INTERVAL);
    scene.kept.doubt();
    assert_eq!((scene.read().await, scene.flights()), (said("three"), 3));
}
