//! A logout, and what is under way while it happens (HARD 14).

use super::scene::*;

// HARD 14
#[tokio::test]
async fn a_logout_ends_the_token_and_the_next_caller_gets_another() {
    let scene = Scene::new();
    scene.token().await;
    assert_eq!(scene.manager.log_out(&key("notes")).await, Ok(Revoked::Done));
    assert_eq!(scene.script.ended(), ["end token-1"]);
    scene.pass(LIFE * 2).await;
    assert_eq!(scene.script.asked(), 1, "nothing is fetched before somebody asks");
    assert_eq!(scene.handle.condition(), Condition::Ready, "and nobody is told that something is missing");
    assert_eq!(scene.token().await, "token-2");
}

// HARD 14
#[tokio::test]
async fn what_was_under_way_when_somebody_logged_out_is_discarded_and_its_caller_is_told() {
    let scene = Scene::new();
    scene.script.hold();
    let caller = scene.caller();
    settle().await;
    scene.handle.log_out().await.unwrap();
    scene.script.let_go();
    settle().await;
    assert_eq!(*caller.await.unwrap().unwrap_err().failure, Failure::LoggedOut);
    assert_eq!(scene.script.ended(), ["end nothing", "discard token-1"]);
    assert_eq!(scene.handle.expires_in(), None);
}

#[tokio::test]
async fn who_asks_after_a_logout_gets_a_token_although_an_older_flight_is_still_under_way() {
    let scene = Scene::new();
    scene.script.hold();
    let before = scene.caller();
    settle().await;
    scene.handle.log_out().await.unwrap();
    let after = scene.caller();
    settle().await;
    scene.script.let_go();
    scene.pass(S * 2).await;
    assert_eq!(*before.await.unwrap().unwrap_err().failure, Failure::LoggedOut);
    assert_eq!(after.await.unwrap().unwrap(), "token-2");
}

/// Ends only when it is told to; what is asked for meanwhile still comes of the old login.
#[derive(Debug, Default)]
struct SlowEnd {
    script: Script,
    hold: Notify,
}

impl Grant for SlowEnd {
    fn request(&self) -> Requesting<'_> {
        self.script.request()
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        None
    }

    fn end<'a>(&'a self, access: Option<&'a AccessToken>) -> Ending<'a> {
        Box::pin(async move {
            self.hold.notified().await;
            self.script.end(access).await
        })
    }

    fn discard<'a>(&'a self, access: &'a AccessToken) -> Ending<'a> {
        self.script.discard(access)
    }
}

// HARD 14
#[tokio::test]
async fn what_came_while_a_logout_was_under_way_does_not_outlast_it() {
    let scene = Scene::new();
    let grant = Arc::new(SlowEnd::default());
    let handle = scene.manager.handle("slow", &key("slow"), grant.clone());
    let wanted = Wanted::default();
    handle.ensure_access(&wanted).await.unwrap();
    let leaving = tokio::spawn({
        let handle = handle.clone();
        async move { handle.log_out().await }
    });
    settle().await;
    scene.clock.advance(S);
    let meanwhile = handle.ensure_access(&wanted).await.unwrap();
    assert_eq!(meanwhile.token().expose(), "token-2");
    grant.hold.notify_one();
    leaving.await.unwrap().unwrap();
    assert_eq!(grant.script.ended(), ["end token-1", "discard token-2"]);
    assert_eq!(handle.expires_in(), None);
}

// HARD 14
#[tokio::test]
async fn a_logout_that_nobody_waits_for_any_more_is_finished_all_the_same() {
    let scene = Scene::new();
    let grant = Arc::new(SlowEnd::default());
    let handle = scene.manager.handle("slow", &key("slow"), grant.clone());
    handle.ensure_access(&Wanted::default()).await.unwrap();
    let leaving = tokio::spawn({
        let handle = handle.clone();
        async move { handle.log_out().await }
    });
    settle().await;
    leaving.abort();
    settle().await;
    grant.hold.notify_one();
    settle().await;
    assert_eq!(grant.script.ended(), ["end token-1"]);
}

/// Counts how often somebody looks at it.
#[derive(Debug)]
struct Watched(Arc<ManualClock>, AtomicU64);

impl Clock for Watched {
    fn unix_ms(&self) -> u64 {
        self.0.unix_ms()
    }

    fn monotonic(&self) -> Duration {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.monotonic()
    }

    fn sleep(&self, duration: Duration) -> bearward_token::clock::Sleep {
        self.0.sleep(duration)
    }
}

#[tokio::test]
async fn a_task_that_a_logout_put_to_rest_waits_and_does_not_go_round_in_circles() {
    let time = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
    let clock = Arc::new(Watched(time.clone(), AtomicU64::new(0)));
    let manager = TokenManager::new(clock.clone(), Observer::new(), 7);
    let handle = manager.handle("notes", &key("notes"), Arc::new(Script::default()));
    handle.ensure_access(&Wanted::default()).await.unwrap();
    handle.log_out().await.unwrap();
    time.advance(LIFE * 2);
    settle().await;
    let looked = clock.1.load(Ordering::SeqCst);
    settle().await;
    assert_eq!(clock.1.load(Ordering::SeqCst), looked);
}
