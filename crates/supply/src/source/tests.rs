use std::collections::HashSet;

use bearward_observe::Observer;
use bearward_token::{Fingerprint, ManualClock};
use serde_json::{Map, json};

use super::*;
use crate::error::Failure;
use crate::grant::{Grant, Granted, Requesting};
use crate::handle::Label;
use crate::key::TokenKey;
use crate::manager::TokenManager;
use crate::tests::server::{Server, value};

const NOW_MS: u64 = 1_800_000_000_000;
const RESOURCE: &str = "https://api.example.com";

/// The machine's own token.
#[derive(Debug)]
struct Machine;

impl Grant for Machine {
    fn request(&self) -> Requesting<'_> {
        Box::pin(async { Ok(Granted::new(AccessToken::new("machine"), Duration::from_secs(3600))) })
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        None
    }
}

struct Scene {
    clock: Arc<ManualClock>,
    server: Arc<Server>,
    manager: Arc<TokenManager>,
    observer: Observer,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(NOW_MS));
        let observer = Observer::new();
        let manager = Arc::new(TokenManager::new(clock.clone(), observer.clone(), 7));
        Self { clock, server: Server::new("none"), manager, observer }
    }

    fn exchange(&self, actor: Option<Handle>) -> Exchange {
        Exchange::new(
            self.manager.clone(),
            Label::new("notes", &self.observer),
            Arc::new(self.server.request(&self.clock)),
            actor,
            None,
        )
    }

    fn machine(&self) -> Handle {
        let key = TokenKey::from(self.server.request(&self.clock).key_parts("machine"));
        self.manager.handle("machine", &key, Arc::new(Machine))
    }

    fn staged(&self, percent: u8) -> Source {
        Source::Staged { own: self.exchange(None), shared: self.machine(), share: Share::percent(percent) }
    }

    fn exchanged(&self, access_token: &str, more: &str) {
        let body =
            format!(r#"{{"access_token":"{access_token}","token_type":"Bearer","expires_in":600{more}}}"#);
        self.server.answers(200, &body);
    }

    async fn token(&self, source: &Source, caller: Option<&Caller<'_>>) -> Result<String, Failure> {
        let picked = source
            .pick(&HeaderMap::new(), caller, &*self.clock)
            .await
            .map_err(|error| (*error.failure).clone())?;
        let task = tokio::spawn(async move { picked.ensure_access(&Wanted::default()).await });
        settle().await;
        while !task.is_finished() {
            self.clock.advance(Duration::from_secs(1));
            settle().await;
        }
        match task.await.unwrap() {
            Ok(supplied) => Ok(supplied.token().expose().to_owned()),
            Err(error) => Err((*error.failure).clone()),
        }
    }
}

const TYPE: &str = r#","issued_token_type":"urn:ietf:params:oauth:token-type:access_token""#;

async fn settle() {
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn principal(subject: &str, aud: Value) -> Principal {
    let mut claims = Map::new();
    claims.insert("aud".into(), aud);
    Principal {
        issuer: "https://idp.example.com".parse().unwrap(),
        subject: subject.into(),
        client: None,
        tenant: None,
        scopes: Default::default(),
        roles: Vec::new(),
        session_id: None,
        token_id: None,
        expires_at: NOW_MS / 1000 + 600,
        issued_at: None,
        claims: Arc::new(claims.into()),
    }
}

async fn acting(source: &Source, clock: &ManualClock, subject: &str) -> Acting {
    let (principal, token) = (principal(subject, Value::Null), AccessToken::new(subject));
    source
        .pick(&HeaderMap::new(), Some(&Caller { principal: &principal, token: &token }), clock)
        .await
        .unwrap()
        .acting
}

#[tokio::test]
async fn a_share_of_the_callers_is_the_same_every_time_and_grows_without_losing_anybody() {
    let scene = Scene::new();
    let own = async |percent| {
        let source = scene.staged(percent);
        let mut own = HashSet::new();
        for n in 0..500 {
            if acting(&source, &scene.clock, &format!("user-{n}")).await == Acting::Own {
                own.insert(n);
            }
        }
        own
    };
    let (ten, again, half) = (own(10).await, own(10).await, own(50).await);
    assert_eq!(ten, again);
    assert!(ten.is_subset(&half) && ten.len() > 20 && half.len() < 350, "{} {}", ten.len(), half.len());
    let (nobody, everybody) = (own(0).await, own(100).await);
    assert_eq!((nobody.len(), everybody.len()), (0, 500));
}

#[tokio::test]
async fn an_exchange_that_fails_is_an_error_and_never_the_machines_token() {
    let scene = Scene::new();
    let source = scene.staged(100);
    let (principal, token) = (principal("alice", Value::Null), AccessToken::new("of alice"));
    let alice = Caller { principal: &principal, token: &token };
    scene.server.answers(400, r#"{"error":"invalid_target"}"#);
    match scene.token(&source, Some(&alice)).await {
        Err(Failure::Refused { code, .. }) => assert_eq!(code, "invalid_target"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        scene.token(&source, None).await,
        Ok("machine".into()),
        "nobody calls: it is the machine itself"
    );
    assert_eq!(scene.token(&scene.staged(0), Some(&alice)).await, Ok("machine".into()));
}

// HARD 3
#[tokio::test]
async fn a_token_is_exchanged_for_its_own_subject_token_alone() {
    let scene = Scene::new();
    let source = Source::Own(scene.exchange(None));
    let principal = principal("alice", Value::Null);
    for (subject, expected) in [("first", "x1"), ("next", "x2")] {
        scene.exchanged(expected, TYPE);
        let token = AccessToken::new(subject);
        for _ in 0..3 {
            let caller = Caller { principal: &principal, token: &token };
            assert_eq!(scene.token(&source, Some(&caller)).await, Ok(expected.into()));
        }
    }
    assert_eq!(scene.server.log(), ["spend first", "spend next"]);
    assert_eq!(scene.token(&source, None).await.unwrap_err().outcome(), "not_for_caller");
}

// SPEC CL-8
#[tokio::test]
async fn what_is_not_said_to_be_an_access_token_is_not_used_as_one() {
    let id_token = r#","issued_token_type":"urn:ietf:params:oauth:token-type:id_token""#;
    let refresh = r#","issued_token_type":"urn:ietf:params:oauth:token-type:refresh_token""#;
    let jwt = r#","issued_token_type":"urn:ietf:params:oauth:token-type:jwt""#;
    let principal = principal("alice", Value::Null);
    for (said, is_good) in [("", false), (id_token, false), (refresh, false), (TYPE, true), (jwt, true)] {
        let scene = Scene::new();
        let token = AccessToken::new("of alice");
        let handle = scene.exchange(None).handle(&Caller { principal: &principal, token: &token });
        scene.exchanged("x", said);
        let outcome = handle.entry().grant.request().await;
        assert_eq!(outcome.is_ok(), is_good, "{said}: {outcome:?}");
    }
}

// HARD 3, SPEC CL-8
#[tokio::test]
async fn with_an_actor_the_token_says_who_acts_and_is_another_than_without() {
    let scene = Scene::new();
    let (plain, delegated) = (scene.exchange(None), scene.exchange(Some(scene.machine())));
    let (principal, token) = (principal("alice", Value::Null), AccessToken::new("of alice"));
    let caller = Caller { principal: &principal, token: &token };
    assert_ne!(plain.key(&principal, &token), delegated.key(&principal, &token));
    scene.exchanged("impersonates", TYPE);
    assert_eq!(scene.token(&Source::Own(plain), Some(&caller)).await, Ok("impersonates".into()));
    scene.exchanged("delegated", TYPE);
    assert_eq!(scene.token(&Source::Own(delegated), Some(&caller)).await, Ok("delegated".into()));
    let shown = scene.server.shown.lock().unwrap().clone();
    let actors: Vec<_> = shown.iter().map(|(_, form)| value(form, "actor_token")).collect();
    assert_eq!(actors, [None, Some("machine".to_owned())]);
    assert!(shown.iter().all(|(url, _)| url == "https://as.example/token"), "{shown:?}");
    assert!(!format!("{shown:?}").contains("of alice"));
}

// HARD 16
#[tokio::test]
async fn after_the_server_was_down_actor_and_exchange_do_not_wait_for_each_other() {
    let scene = Scene::new();
    let machine = crate::ClientCredentials::new(scene.server.request(&scene.clock));
    let actor = scene.manager.shelved("actor", &machine.key(), Arc::new(machine), crate::Upkeep::OnUse, None);
    let (principal, token) = (principal("alice", Value::Null), AccessToken::new("of alice"));
    let source = Source::Own(scene.exchange(Some(actor)));
    let caller = Caller { principal: &principal, token: &token };
    *scene.server.is_down.lock().unwrap() = true;
    for _ in 0..5 {
        assert!(scene.token(&source, Some(&caller)).await.is_err());
        scene.clock.advance(Duration::from_secs(31));
    }
    *scene.server.is_down.lock().unwrap() = false;
    scene.exchanged("actor", "");
    scene.exchanged("delegated", TYPE);
    scene.clock.advance(Duration::from_secs(31));
    assert_eq!(scene.token(&source, Some(&caller)).await, Ok("delegated".into()));
}

#[tokio::test]
async fn a_callers_very_token_passes_to_the_resource_it_was_issued_for_and_nowhere_else() {
    let scene = Scene::new();
    let source = Source::Passthrough { resource: RESOURCE.into() };
    let token = AccessToken::new("of alice");
    for (aud, passes) in [
        (json!(RESOURCE), true),
        (json!(["https://other.example", RESOURCE]), true),
        (json!("https://api.example.com/"), false),
        (json!("https://API.example.com"), false),
        (json!("https://api.example.com.evil.example"), false),
        (json!(["https://other.example"]), false),
        (json!([[RESOURCE]]), false),
        (json!([]), false),
        (json!({RESOURCE: true}), false),
        (Value::Null, false),
    ] {
        let principal = principal("alice", aud.clone());
        let outcome = scene.token(&source, Some(&Caller { principal: &principal, token: &token })).await;
        match passes {
            true => assert_eq!(outcome, Ok("of alice".into())),
            false => assert_eq!(outcome.unwrap_err().outcome(), "not_for_caller", "{aud}"),
        }
    }
    assert_eq!(scene.token(&source, None).await.unwrap_err().outcome(), "not_for_caller");
}

// HARD 6
#[tokio::test]
async fn a_callers_token_that_has_died_does_not_pass_and_becomes_no_header() {
    let scene = Scene::new();
    let source = Source::Passthrough { resource: RESOURCE.into() };
    let (principal, token) = (principal("alice", json!(RESOURCE)), AccessToken::new("of alice"));
    let caller = Caller { principal: &principal, token: &token };
    scene.clock.advance(Duration::from_secs(599));
    let picked = source.pick(&HeaderMap::new(), Some(&caller), &*scene.clock).await.unwrap();
    let supplied = picked.ensure_access(&Wanted::default()).await.unwrap();
    assert!(supplied.authorization(&*scene.clock).is_some());
    assert_eq!(picked.instead_of(&supplied, &Wanted::default()).await.map(|other| other.is_none()), Ok(true));
    scene.clock.advance(Duration::from_secs(1));
    assert!(supplied.authorization(&*scene.clock).is_none());
    let failure = source.pick(&HeaderMap::new(), Some(&caller), &*scene.clock).await.unwrap_err().failure;
    assert_eq!(failure.outcome(), "not_for_caller");
}
