//! The behaviours that decide whether a token manager is good, each against a scripted grant and a clock
//! that only moves when told to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use bearward_observe::Condition;
use bearward_observe::Probe;
use bearward_token::{AccessToken, ManualClock};

use super::*;
use crate::grant::Requesting;
use crate::handle::{Handle, Wanted};
use crate::key::{KeyParts, TokenKey};
use crate::manager::TokenManager;

const S: Duration = Duration::from_secs(1);
const LIFE: Duration = Duration::from_secs(3600);

/// Answers as it is told, or with `token-N` for an hour; counts.
#[derive(Debug, Default)]
struct Script {
    asked: AtomicU64,
    next: Mutex<VecDeque<Result<(&'static str, Duration), Failure>>>,
    otherwise: Mutex<Option<Failure>>,
    /// Requests hang until this is released.
    hold: Mutex<Option<Arc<Notify>>>,
    version: Mutex<u64>,
}

impl Script {
    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    fn then(&self, answer: Result<(&'static str, Duration), Failure>) {
        self.next.lock().unwrap().push_back(answer);
    }

    fn fail_always(&self, failure: Option<Failure>) {
        *self.otherwise.lock().unwrap() = failure;
    }
}

impl Grant for Script {
    fn request(&self) -> Requesting<'_> {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let hold = self.hold.lock().unwrap().clone();
        Box::pin(async move {
            if let Some(hold) = hold {
                hold.notified().await;
            }
            if let Some(scripted) = self.next.lock().unwrap().pop_front() {
                return scripted.map(|(text, lifetime)| Granted {
                    access_token: AccessToken::new(text),
                    lifetime,
                    credential: None,
                });
            }
            match self.otherwise.lock().unwrap().clone() {
                Some(failure) => Err(failure),
                None => Ok(Granted {
                    access_token: AccessToken::new(format!("token-{nth}")),
                    lifetime: LIFE,
                    credential: None,
                }),
            }
        })
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        Some(Fingerprint::of(&self.version.lock().unwrap().to_string()))
    }
}

struct Scene {
    clock: Arc<ManualClock>,
    script: Arc<Script>,
    manager: TokenManager,
    handle: Handle,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let script = Arc::new(Script::default());
        let manager = TokenManager::new(clock.clone(), Observer::new(), 7);
        let handle = manager.handle("notes", &key("notes"), script.clone());
        Self { clock, script, manager, handle }
    }

    async fn token(&self) -> String {
        self.try_token().await.unwrap()
    }

    async fn try_token(&self) -> Result<String, SupplyError> {
        let supplied = self.handle.ensure_access(&Wanted::default()).await?;
        Ok(supplied.token().expose().to_owned())
    }

    /// Moves time in small steps, letting every task run in between.
    async fn pass(&self, time: Duration) {
        let step = (time / 200).max(Duration::from_millis(10));
        let mut passed = Duration::ZERO;
        while passed < time {
            self.clock.advance(step);
            passed += step;
            settle().await;
        }
    }
}

fn key(audience: &str) -> TokenKey {
    TokenKey::from(KeyParts {
        tenant: None,
        issuer: "https://as.example".parse().unwrap(),
        client: "gateway".into(),
        client_auth: "client_secret_basic",
        credential: None,
        token_endpoint: None,
        grant: "client_credentials",
        subject_token: None,
        scopes: Default::default(),
        audience: Some(audience.into()),
        resource: None,
        extra: Vec::new(),
    })
}

/// Lets every ready task run.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn down() -> Failure {
    Failure::Unavailable { status: 503, retry_after: None }
}

fn refused() -> Failure {
    Failure::Refused { code: "invalid_client".into(), advice: "" }
}

// HARD 1
#[tokio::test]
async fn a_thousand_cold_callers_cost_one_request_and_all_get_its_token() {
    let scene = Arc::new(Scene::new());
    let hold = Arc::new(Notify::new());
    *scene.script.hold.lock().unwrap() = Some(hold.clone());
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            tokio::spawn({
                let scene = scene.clone();
                async move { scene.token().await }
            })
        })
        .collect();
    settle().await;
    hold.notify_one();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "token-1");
    }
    assert_eq!(scene.script.asked(), 1);
}

// HARD 2
#[tokio::test]
async fn a_caller_that_goes_away_neither_ends_nor_restarts_the_flight() {
    let scene = Arc::new(Scene::new());
    let hold = Arc::new(Notify::new());
    *scene.script.hold.lock().unwrap() = Some(hold.clone());
    let caller = |scene: &Arc<Scene>| {
        tokio::spawn({
            let scene = scene.clone();
            async move { scene.token().await }
        })
    };
    let first = caller(&scene);
    settle().await;
    let second = caller(&scene);
    settle().await;
    first.abort();
    settle().await;
    hold.notify_one();
    assert_eq!(second.await.unwrap(), "token-1");
    assert_eq!(scene.script.asked(), 1);
}

// HARD 2
#[tokio::test]
async fn each_caller_waits_no_longer_than_its_own_deadline() {
    let scene = Arc::new(Scene::new());
    let hold = Arc::new(Notify::new());
    *scene.script.hold.lock().unwrap() = Some(hold.clone());
    let hasty = tokio::spawn({
        let handle = scene.handle.clone();
        async move { handle.ensure_access(&Wanted { patience: S, ..Wanted::default() }).await }
    });
    let patient = tokio::spawn({
        let scene = scene.clone();
        async move { scene.token().await }
    });
    settle().await;
    scene.clock.advance(S);
    let error = hasty.await.unwrap().unwrap_err();
    assert_eq!(*error.failure, Failure::Deadline { waited: S });
    hold.notify_one();
    assert_eq!(patient.await.unwrap(), "token-1");
}

// HARD 3
#[tokio::test]
async fn two_resources_asked_for_at_once_never_swap_tokens() {
    let scene = Scene::new();
    let other_script = Arc::new(Script::default());
    other_script.then(Ok(("other", LIFE)));
    let other = scene.manager.handle("other", &key("other"), other_script);
    let wanted = Wanted::default();
    let (a, b) = tokio::join!(scene.token(), other.ensure_access(&wanted));
    assert_eq!((a.as_str(), b.unwrap().token().expose()), ("token-1", "other"));
    let same = scene.manager.handle("again", &key("notes"), Arc::new(Script::default()));
    assert_eq!(same.ensure_access(&wanted).await.unwrap().token().expose(), "token-1", "equal keys share");
}

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

// HARD 5, HARD 6
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

// HARD 6
#[tokio::test]
async fn a_token_that_died_in_a_callers_hand_becomes_no_header() {
    let scene = Scene::new();
    let supplied = scene.handle.ensure_access(&Wanted::default()).await.unwrap();
    assert_eq!(supplied.authorization(&*scene.clock).unwrap(), "Bearer token-1");
    scene.clock.advance(LIFE);
    assert!(supplied.authorization(&*scene.clock).is_none());
}

// HARD 7
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

// HARD 7
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

// HARD 7
#[tokio::test]
async fn a_refused_secret_is_tried_again_by_itself_now_and_then() {
    let scene = Scene::new();
    scene.script.then(Err(refused()));
    assert!(scene.try_token().await.is_err());
    scene.pass(Duration::from_secs(31)).await;
    assert_eq!(scene.token().await, "token-2");
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

// HARD 8
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

// HARD 9
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

// HARD 9
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

// HARD 15
#[tokio::test]
async fn a_refused_token_is_replaced_once_however_many_complain() {
    let scene = Scene::new();
    let wanted = Wanted::default();
    let first = scene.handle.ensure_access(&wanted).await.unwrap();
    let complaints = (0..100).map(|_| scene.handle.instead_of(&first, &wanted));
    for other in futures_util::future::join_all(complaints).await {
        assert_eq!(other.unwrap().unwrap().token().expose(), "token-2");
    }
    assert_eq!(scene.script.asked(), 2);

    let second = scene.handle.ensure_access(&wanted).await.unwrap();
    for _ in 0..100 {
        assert!(scene.handle.instead_of(&second, &wanted).await.unwrap().is_none(), "a lasting storm");
        assert_eq!(
            scene.handle.instead_of(&first, &wanted).await.unwrap().unwrap().token().expose(),
            "token-2"
        );
    }
    assert_eq!(scene.script.asked(), 2, "a stale complaint and a storm cost nothing");

    scene.pass(FORCE_COOLDOWN).await;
    assert!(scene.handle.instead_of(&second, &wanted).await.unwrap().is_some());
    assert_eq!(scene.script.asked(), 3, "one more after the cooldown");
}

// HARD 15
#[tokio::test]
async fn a_forced_refresh_that_fails_or_brings_the_same_token_ends_in_no_other_token() {
    let scene = Scene::new();
    let wanted = Wanted::default();
    scene.script.then(Ok(("same", LIFE)));
    scene.script.then(Ok(("same", LIFE)));
    let first = scene.handle.ensure_access(&wanted).await.unwrap();
    assert!(scene.handle.instead_of(&first, &wanted).await.unwrap().is_none());

    scene.pass(FORCE_COOLDOWN).await;
    scene.script.fail_always(Some(down()));
    assert!(scene.handle.instead_of(&first, &wanted).await.is_err());
    assert_eq!(scene.token().await, "same", "kept, for the refusal may be the destination's own fault");
}

// HARD 16
#[tokio::test]
async fn retry_after_holds_back_all_tokens_of_the_issuer_and_client() {
    let scene = Scene::new();
    scene.script.then(Err(Failure::RateLimited { retry_after: Some(Duration::from_secs(120)) }));
    let error = scene.try_token().await.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(120)));

    let other_script = Arc::new(Script::default());
    let other = scene.manager.handle("other", &key("other"), other_script.clone());
    let error = other.ensure_access(&Wanted::default()).await.unwrap_err();
    assert_eq!((error.retry_after, other_script.asked()), (Some(Duration::from_secs(120)), 0));

    scene.pass(Duration::from_secs(121)).await;
    assert_eq!(scene.token().await, "token-2");
}

#[tokio::test]
async fn a_manager_that_goes_away_tells_its_callers_and_asks_nobody_any_more() {
    let scene = Scene::new();
    scene.token().await;
    scene.manager.shut_down();
    scene.pass(LIFE * 2).await;
    let error = scene.try_token().await.unwrap_err();
    assert_eq!(*error.failure, Failure::Stopped);
    assert_eq!(scene.script.asked(), 1);
}

// HARD 20
#[tokio::test]
async fn nothing_shows_a_token() {
    let scene = Scene::new();
    let supplied = scene.handle.ensure_access(&Wanted::default()).await.unwrap();
    let header = supplied.authorization(&*scene.clock).unwrap();
    let shown = format!("{supplied:?} {:?} {header:?} {:?}", scene.handle, scene.manager);
    assert!(!shown.contains("token-1"), "{shown}");
}

// HARD 7
#[tokio::test]
async fn a_grant_that_panics_is_a_failure_and_not_the_end_of_refreshing() {
    #[derive(Debug, Default)]
    struct Faulty(AtomicU64);
    impl Grant for Faulty {
        fn request(&self) -> Requesting<'_> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => panic!("nobody foresaw this"),
                1 => Box::pin(async { panic!("nor this") }),
                _ => Box::pin(async {
                    Ok(Granted { access_token: AccessToken::new("token"), lifetime: LIFE, credential: None })
                }),
            }
        }
        fn credential_version(&self) -> Option<Fingerprint> {
            None
        }
    }
    let scene = Scene::new();
    let handle = scene.manager.handle("faulty", &key("faulty"), Arc::new(Faulty::default()));
    for _ in 0..2 {
        let error = handle.ensure_access(&Wanted::default()).await.unwrap_err();
        assert_eq!((error.failure.outcome(), error.retry_after), ("fault", Some(REFUSED_PAUSE)));
        scene.pass(REFUSED_PAUSE).await;
    }
    assert_eq!(handle.ensure_access(&Wanted::default()).await.unwrap().token().expose(), "token");
}

// HARD 8
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

#[tokio::test]
async fn two_names_for_one_token_share_it_and_each_keeps_its_own_name() {
    let scene = Scene::new();
    let other = scene.manager.handle("other", &key("notes"), scene.script.clone());
    assert_eq!(other.ensure_access(&Wanted::default()).await.unwrap().token().expose(), scene.token().await);
    assert_eq!(scene.script.asked(), 1);
    assert_eq!((&**scene.handle.name(), &**other.name()), ("notes", "other"));
    assert_eq!(Probe::name(&other), "provider other");
}
