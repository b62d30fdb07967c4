use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_issuer::{Credential, CredentialSource, Reading};
use bearward_observe::{Condition, Observer, Probe};
use bearward_token::{ClientSecret, ManualClock};

use super::*;
use crate::handle::{Handle, Wanted};
use crate::manager::TokenManager;

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 24 * 3600;

/// A file that somebody replaces.
#[derive(Debug)]
struct Given(Mutex<String>);

impl CredentialSource for Given {
    fn current(&self) -> Reading<'_> {
        let secret = ClientSecret::new(self.0.lock().unwrap().clone());
        Box::pin(std::future::ready(Ok(Credential { secret })))
    }

    fn version(&self) -> Option<Fingerprint> {
        Some(Fingerprint::of(&self.0.lock().unwrap()))
    }
}

struct Scene {
    clock: Arc<ManualClock>,
    given: Arc<Given>,
    _manager: TokenManager,
    handle: Handle,
}

impl Scene {
    fn new(token: &str) -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(NOW * 1000));
        let given = Arc::new(Given(Mutex::new(token.into())));
        let manager = TokenManager::new(clock.clone(), Observer::new(), 7);
        let key = StaticToken::key("https://api.example".parse().unwrap(), "legacy");
        let handle = manager.handle("legacy", &key, Arc::new(StaticToken::new(given.clone(), clock.clone())));
        Self { clock, given, _manager: manager, handle }
    }

    async fn token(&self) -> Result<String, Failure> {
        match self.handle.ensure_access(&Wanted::default()).await {
            Ok(supplied) => Ok(supplied.token().expose().to_owned()),
            Err(error) => Err((*error.failure).clone()),
        }
    }

    async fn pass(&self, seconds: u64) {
        let step = (seconds / 100).max(1);
        for _ in 0..seconds / step {
            self.clock.advance(Duration::from_secs(step));
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }
}

fn jwt(exp: u64) -> String {
    let payload = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp}}}"#));
    format!("eyJhbGciOiJub25lIn0.{payload}.x")
}

#[tokio::test]
async fn readiness_tells_of_its_end_days_ahead_and_it_is_refused_afterwards() {
    let token = jwt(NOW + 5 * DAY);
    let scene = Scene::new(&token);
    assert_eq!(scene.token().await, Ok(token.clone()));
    assert_eq!(scene.handle.condition(), Condition::Ready);
    scene.pass(2 * DAY + 100).await;
    assert_eq!(scene.token().await, Ok(token.clone()));
    match scene.handle.condition() {
        Condition::Degraded { reason } => assert!(reason.contains("expires in 259"), "{reason}"),
        other => panic!("{other:?}"),
    }
    scene.pass(3 * DAY).await;
    let failure = scene.token().await.unwrap_err();
    assert_eq!(failure.outcome(), "given", "{failure}");
    assert!(matches!(scene.handle.condition(), Condition::Down { .. }));
    assert!(!format!("{failure} {failure:?}").contains(&token));
}

#[tokio::test]
async fn one_that_is_put_in_its_place_is_used_within_thirty_seconds() {
    let scene = Scene::new("first");
    scene.token().await.unwrap();
    *scene.given.0.lock().unwrap() = "second".into();
    assert_eq!(scene.token().await, Ok("first".into()), "for so long it is not read again");
    scene.pass(31).await;
    assert_eq!(scene.token().await, Ok("second".into()));
}

#[tokio::test]
async fn one_that_is_put_in_the_place_of_a_dead_one_is_used_at_once() {
    let scene = Scene::new(&jwt(NOW - 1));
    assert!(scene.token().await.is_err());
    *scene.given.0.lock().unwrap() = "second".into();
    scene.pass(1).await;
    assert_eq!(scene.token().await, Ok("second".into()));
}

#[tokio::test]
async fn one_that_says_nothing_of_its_end_is_used_for_ever() {
    let scene = Scene::new("opaque");
    scene.pass(100 * 365 * DAY).await;
    assert_eq!(scene.token().await, Ok("opaque".into()));
    assert_eq!(scene.handle.condition(), Condition::Ready);
}

#[tokio::test]
async fn what_no_header_can_carry_is_refused_without_being_shown() {
    for bad in ["", " ", "a b", "a\nb", "a\r\nX-Admin: 1", "tökén", "a\0"] {
        let failure = Scene::new(bad).token().await.unwrap_err();
        assert_eq!(failure.outcome(), "given", "{bad:?}");
        assert!(bad.len() < 2 || !failure.to_string().contains(bad));
    }
}

#[tokio::test]
async fn what_is_given_cannot_be_logged_out_and_says_what_to_do_instead() {
    let scene = Scene::new("abc");
    assert_eq!(scene.token().await, Ok("abc".into()));
    let error = scene.handle.log_out().await.unwrap_err();
    assert_eq!(*error.failure, Failure::NoLogin);
    assert!(error.to_string().contains("where it is configured"), "{error}");
    assert_eq!(scene.token().await, Ok("abc".into()));
}

#[tokio::test]
async fn an_end_that_nobody_knows_is_not_made_up() {
    let scene = Scene::new("abc");
    let known = |scene: &Scene| {
        let token = crate::held::Supplied { held: scene.handle.entry().usable().unwrap() };
        token.known_to_expire_in(&*scene.clock)
    };
    scene.token().await.unwrap();
    assert_eq!(known(&scene), None);
    let dated = Scene::new(&jwt(NOW + DAY));
    dated.token().await.unwrap();
    assert_eq!(known(&dated), Some(Duration::from_secs(DAY)));
}
