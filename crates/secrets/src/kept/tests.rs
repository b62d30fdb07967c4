use std::sync::atomic::{AtomicU32, Ordering};

use bearward_token::ManualClock;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::*;
use crate::AwsRef;

const FRESH: Duration = Duration::from_secs(30);

struct Scene {
    clock: Arc<ManualClock>,
    kept: Arc<Kept>,
    flights: Arc<AtomicU32>,
    store: Arc<Mutex<Result<&'static str, SecretError>>>,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let reference = SecretRef::Aws(AwsRef { id: "prod/notes".into(), field: None, stage: None });
        let kept = Kept::new(reference, Store::Aws, FRESH, clock.clone());
        Self { clock, kept: Arc::new(kept), flights: Arc::default(), store: Arc::new(Mutex::new(Ok("one"))) }
    }

    fn store_says(&self, what: Result<&'static str, SecretError>) {
        *self.store.lock().unwrap() = what;
    }

    async fn read(&self) -> Result<String, SecretError> {
        let (flights, store) = (self.flights.clone(), self.store.clone());
        let flight = || async move {
            flights.fetch_add(1, Ordering::Relaxed);
            // Others get their turn meanwhile, as they do when it takes a network.
            tokio::task::yield_now().await;
            store.lock().unwrap().clone().map(ClientSecret::new)
        };
        self.kept.get(flight).await.map(|secret| secret.expose().to_owned())
    }

    /// Reads with a flight that brings what is sent, whenever that is.
    async fn read_slowly(&self, brings: oneshot::Receiver<&'static str>) -> Result<String, SecretError> {
        self.flights.fetch_add(1, Ordering::Relaxed);
        let flight = || async { Ok(ClientSecret::new(brings.await.unwrap())) };
        self.kept.get(flight).await.map(|secret| secret.expose().to_owned())
    }

    /// Lets both the reader and its flight go to sleep, and then time pass.
    async fn waits(&self, after: Duration) {
        while self.clock.sleepers() < 2 {
            tokio::task::yield_now().await;
        }
        self.clock.advance(after);
    }

    async fn lands(&self) {
        while self.kept.state().flight.is_some() {
            tokio::task::yield_now().await;
        }
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
async fn a_store_that_has_failed_for_long_is_trouble_although_what_was_known_serves() {
    let scene = Scene::new();
    assert_eq!(scene.read().await, said("one"));
    scene.store_says(Err(SecretError::Sealed));
    let stale = FRESH * STALE_AFTER;
    scene.clock.advance(stale - Duration::from_millis(1));
    assert_eq!((scene.read().await, scene.kept.trouble()), (said("one"), None));
    scene.clock.advance(Duration::from_millis(1));
    let trouble = scene.kept.trouble().unwrap().to_string();
    assert_eq!(
        trouble,
        "`prod/notes` (AWSCURRENT) in AWS Secrets Manager was last read at 2027-01-15T08:00:00Z, and what was read then \
         stays in use; since then: Vault is sealed or not ready (503): unseal it, or point `secrets.vault.address` at an \
         active node. Mend that, or a change of it goes unnoticed"
    );
    scene.store_says(Ok("two"));
    scene.clock.advance(REST_WITH_KNOWN);
    assert_eq!((scene.read().await, scene.kept.trouble()), (said("two"), None));
    // Nobody asked for long: nothing says that its store fails.
    scene.clock.advance(stale * 2);
    assert_eq!(scene.kept.trouble(), None);
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
async fn a_store_that_never_answers_is_given_up_by_its_reader_and_then_by_its_flight() {
    let scene = Scene::new();
    let (_never, brings) = oneshot::channel();
    let (read, ()) = tokio::join!(scene.read_slowly(brings), scene.waits(PATIENCE));
    assert_eq!(read, Err(SecretError::Timeout { store: Store::Aws, after: PATIENCE }));
    // Another reader waits for the same flight, and then starts another.
    let last = Duration::from_secs(1);
    scene.clock.advance(LONGEST - PATIENCE - last);
    let mut read = Box::pin(scene.read());
    assert!(futures_util::poll!(&mut read).is_pending());
    scene.clock.advance(last);
    assert_eq!(read.await, Err(SecretError::Timeout { store: Store::Aws, after: LONGEST }));
    assert_eq!(scene.flights(), 1);
    scene.clock.advance(REST);
    assert_eq!((scene.read().await, scene.flights()), (said("one"), 2));
}

#[tokio::test]
async fn what_a_slow_store_brings_counts_though_its_reader_went_on_with_what_was_known() {
    let scene = Scene::new();
    assert_eq!(scene.read().await, said("one"));
    scene.clock.advance(FRESH);
    let (store, brings) = oneshot::channel();
    let (read, ()) = tokio::join!(scene.read_slowly(brings), scene.waits(PATIENCE_WITH_KNOWN));
    assert_eq!(read, said("one"));
    // Nobody waits for it now, and nobody starts another beside it.
    let mut read = Box::pin(scene.read());
    assert_eq!(futures_util::poll!(&mut read), std::task::Poll::Ready(said("one")));
    store.send("two").unwrap();
    scene.lands().await;
    assert_eq!((scene.read().await, scene.flights()), (said("two"), 2));
    assert_eq!(scene.kept.state().failed, None, "slow is no failure");
}

#[tokio::test]
async fn a_flight_goes_on_when_its_reader_goes_away_and_the_next_has_what_it_brings() {
    let scene = Scene::new();
    let (store, brings) = oneshot::channel();
    let mut first = Box::pin(scene.read_slowly(brings));
    assert!(futures_util::poll!(&mut first).is_pending());
    drop(first);
    let mut second = Box::pin(scene.read());
    assert!(futures_util::poll!(&mut second).is_pending());
    store.send("two").unwrap();
    assert_eq!((second.await, scene.flights()), (said("two"), 1));
}

#[tokio::test]
async fn a_flight_ends_with_its_secret_and_one_that_panics_is_followed_by_another() {
    let Scene { kept, .. } = Scene::new();
    let (mut store, brings) = oneshot::channel::<&str>();
    let mut read =
        Box::pin(async { kept.get(|| async { Ok(ClientSecret::new(brings.await.unwrap())) }).await });
    assert!(futures_util::poll!(&mut read).is_pending());
    drop(read);
    drop(kept);
    store.closed().await;

    let scene = Scene::new();
    let (gone, brings) = oneshot::channel();
    drop(gone);
    assert!(matches!(scene.read_slowly(brings).await, Err(SecretError::NotRead(_))));
    assert_eq!(scene.read().await, said("one"));
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
