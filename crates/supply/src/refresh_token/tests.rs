//! A refresh token that can be spent once: nothing of it is lost, nothing is spent twice.

mod beginning;
mod logout;
mod others;
mod targets;
mod writing;

use bearward_issuer::{CredentialError, CredentialSource, Reading};
use bearward_token::{ClientSecret, ManualClock};

use super::*;
use crate::tests::server::{Scripted, Server, memory};

/// A refresh token in a file that somebody changes.
#[derive(Debug)]
struct Given(std::sync::Mutex<Option<&'static str>>);

impl CredentialSource for Given {
    fn current(&self) -> Reading<'_> {
        let text = self.0.lock().unwrap().ok_or_else(|| CredentialError("there is no such file".into()));
        let read = text.map(|text| Credential { secret: ClientSecret::new(text) });
        Box::pin(std::future::ready(read))
    }

    fn version(&self) -> Option<Fingerprint> {
        self.0.lock().unwrap().map(Fingerprint::of)
    }
}

struct Scene {
    clock: Arc<ManualClock>,
    server: Arc<Server>,
    inner: Arc<dyn Store>,
    store: Arc<Scripted>,
    given: Arc<Given>,
    grant: RefreshTokenGrant,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let inner = memory(&clock);
        Self::of(clock, Server::new("refresh-0"), inner)
    }

    fn of(clock: Arc<ManualClock>, server: Arc<Server>, inner: Arc<dyn Store>) -> Self {
        let store = Scripted::new(inner.clone()).beside(&server);
        let given = Arc::new(Given(std::sync::Mutex::new(Some("refresh-0"))));
        let request = Arc::new(server.request(&clock));
        let revoker = Revoker::start(Arc::new(server.request(&clock)), memory(&clock));
        let grant =
            RefreshTokenGrant::new("notes", request, given.clone(), store.clone(), Some(Arc::new(revoker)));
        Self { clock, server, inner, store, given, grant }
    }

    /// Another process at the same store, with the same token from outside.
    fn again(&self) -> Self {
        Self::of(self.clock.clone(), self.server.clone(), self.inner.clone())
    }

    fn give(&self, token: Option<&'static str>) {
        *self.given.0.lock().unwrap() = token;
    }

    async fn token(&self) -> Result<String, Failure> {
        token(&self.grant).await
    }

    /// The same login, asked for a token for `resource`.
    fn asking(&self, resource: &str) -> RefreshTokenGrant {
        self.grant.asking(Target { resource: Some(resource.into()), ..Target::default() })
    }

    /// The refresh token that stands in the store.
    async fn stored(&self) -> Option<String> {
        let record = self.inner.get(&self.grant.inner.place).await.unwrap()?;
        Some(Login::unpack(&record.secret)?.token()?.expose().to_owned())
    }

    /// What was asked of server and store since the last time, without what revocations need.
    fn log(&self) -> Vec<String> {
        self.server.log()
    }

    /// Asks in a task of its own.
    fn caller(&self) -> Caller {
        caller(&self.grant)
    }
}

type Caller = tokio::task::JoinHandle<Result<String, Failure>>;

fn caller(grant: &RefreshTokenGrant) -> Caller {
    let grant = grant.clone();
    tokio::spawn(async move { token(&grant).await })
}

async fn token(grant: &RefreshTokenGrant) -> Result<String, Failure> {
    grant.request().await.map(|granted| granted.access_token.expose().to_owned())
}

async fn settle() {
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
}

fn is_ended(outcome: &Result<String, Failure>) -> bool {
    matches!(outcome, Err(Failure::ReauthRequired { .. }))
}

// SPEC CL-7
#[tokio::test]
async fn an_answer_without_a_new_refresh_token_leaves_the_old_one() {
    let scene = Scene::new();
    *scene.server.keeps_refresh_tokens.lock().unwrap() = true;
    assert_eq!(scene.token().await, Ok("access-1".into()));
    assert_eq!(scene.token().await, Ok("access-2".into()));
    assert_eq!(scene.server.count("spend refresh-0"), 2);
    assert_eq!(scene.stored().await, Some("refresh-0".into()));
}

// SPEC CL-7, HARD 20
#[tokio::test]
async fn refresh_tokens_stand_in_the_form_and_nowhere_else() {
    let scene = Scene::new();
    let mut shown = format!("{:?}", scene.grant);
    scene.token().await.unwrap();
    scene.server.takes("none");
    scene.server.answers(400, r#"{"error":"refresh-1","error_description":"refresh-1"}"#);
    shown += &format!("{:?}", scene.token().await);
    let ended = scene.token().await.unwrap_err();
    shown += &format!("{ended} {ended:?} {:?} {:?}", scene.grant.inner.place, scene.grant.inner.request);
    for (url, form) in &*scene.server.shown.lock().unwrap() {
        shown += &format!("{url} {form:?}");
    }
    assert!(shown.contains("RefreshTokenGrant("), "{shown}");
    assert!(!shown.contains("refresh-"), "{shown}");
}

#[tokio::test]
async fn a_new_refresh_token_begins_a_new_login() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    scene.give(Some("refresh-new"));
    scene.server.takes("refresh-new");
    assert_eq!(scene.token().await, Ok("access-2".into()));
    assert_eq!(scene.stored().await, Some("refresh-2".into()));
    scene.give(None);
    assert_eq!(scene.token().await, Ok("access-3".into()), "unreadable for a moment, the login goes on");
}

#[tokio::test]
async fn a_file_that_is_read_half_written_does_not_cost_the_login() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    scene.give(Some("refr"));
    for _ in 0..5 {
        assert!(is_ended(&scene.token().await));
    }
    assert_eq!(scene.server.count("spend refr"), 1 + scene.server.count("spend refresh-0"));
    scene.give(Some("refresh-0"));
    assert_eq!(scene.token().await, Ok("access-2".into()));
}

#[tokio::test]
async fn without_a_token_that_can_be_read_and_without_a_login_it_says_so() {
    let scene = Scene::new();
    scene.give(None);
    let failure = scene.token().await.unwrap_err();
    assert_eq!(failure.outcome(), "credential");
    assert_eq!(scene.log(), Vec::<String>::new());
}

// HARD 3
#[tokio::test]
async fn two_logins_of_one_client_share_neither_token_nor_flight() {
    let scene = Scene::new();
    let request = || Arc::new(scene.server.request(&scene.clock));
    let of = |name: &str| {
        RefreshTokenGrant::new(name, request(), scene.given.clone(), scene.store.clone(), None).key()
    };
    assert_eq!(of("calendar-of-alice"), of("calendar-of-alice"));
    assert_ne!(of("calendar-of-alice"), of("calendar-of-bob"));
}
