//! Callers' own tokens from a real authorization server over HTTP (RFC 8693, SPEC CL-8).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use bearward_issuer::{ClientAuth, Discovery, FixedCredential, HttpFetch, KnownMetadata, OauthClient};
use bearward_observe::Observer;
use bearward_store::Memory;
use bearward_supply::{
    Caller, ClientCredentials, Exchange, Failure, Grant, Handle, Label, Revoked, Revoker, Source,
    SupplyError, TokenManager, TokenRequest, Wanted,
};
use bearward_testbed::AuthorizationServer;
use bearward_testbed::authorization_server::{Client, ClientAuth as Registered, Fault, Place, User};
use bearward_token::{AccessToken, ClientSecret, Principal, SystemClock};
use serde_json::{Value, json};

const MCP: &str = "https://mcp.example.com/mcp";
const API: &str = "https://api.example.com/v1";
const SECRET: &str = "gateway secret";

struct Scene {
    server: AuthorizationServer,
    manager: Arc<TokenManager>,
    observer: Observer,
    clock: Arc<SystemClock>,
}

async fn scene() -> Scene {
    let gateway = Client::new("gateway", Registered::SecretBasic(SECRET.into())).audiences(&[API]);
    let server = AuthorizationServer::builder()
        .client(gateway)
        .user(User::new("alice", "wonderland").claim("org_id", "acme"))
        .user(User::new("bob", "builder").claim("org_id", "other"))
        .start()
        .await
        .unwrap();
    let (clock, observer) = (Arc::new(SystemClock::new()), Observer::new());
    let manager = Arc::new(TokenManager::new(clock.clone(), observer.clone(), 1));
    Scene { server, manager, observer, clock }
}

impl Scene {
    fn request(&self, resource: &str) -> TokenRequest {
        let fetch = Arc::new(HttpFetch::with_timeout(Duration::from_millis(500)).unwrap());
        let discovery = Discovery::new(fetch.clone(), self.clock.clone());
        let credential = Arc::new(FixedCredential(ClientSecret::new(SECRET)));
        let issuer = self.server.issuer().parse().unwrap();
        TokenRequest {
            metadata: KnownMetadata::new(issuer, discovery, self.clock.clone()),
            token_endpoint: None,
            client: OauthClient::new(
                "gateway",
                ClientAuth::SecretBasic,
                credential,
                fetch,
                self.clock.clone(),
            ),
            audience: None,
            resource: Some(resource.into()),
            scopes: Default::default(),
            extra: Vec::new(),
        }
    }

    fn exchange(&self, resource: &str, actor: Option<Handle>) -> Exchange {
        let request = Arc::new(self.request(resource));
        let revoker = Revoker::start(request.clone(), Arc::new(Memory::new(10, self.clock.clone())));
        Exchange::new(
            self.manager.clone(),
            Label::new("api", &self.observer),
            request,
            actor,
            Some(Arc::new(revoker)),
        )
    }

    fn machine(&self) -> Handle {
        let machine = ClientCredentials::new(self.request(API));
        self.manager.handle("machine", &machine.key(), Arc::new(machine))
    }

    /// The token that a caller comes with.
    fn subject_token(&self, name: &str) -> AccessToken {
        AccessToken::new(self.server.token_for(MCP).claim("sub", name).scope("notes").build())
    }

    fn principal(&self, name: &str) -> Principal {
        Principal {
            issuer: self.server.issuer().parse().unwrap(),
            subject: name.into(),
            client: None,
            tenant: None,
            scopes: Default::default(),
            roles: Vec::new(),
            session_id: None,
            token_id: None,
            expires_at: u64::MAX,
            issued_at: None,
            claims: Default::default(),
        }
    }

    /// The claims of the token that a caller gets.
    async fn claims(&self, source: &Source, name: &str, token: &AccessToken) -> Result<Value, SupplyError> {
        let principal = self.principal(name);
        let picked = source
            .pick(&Default::default(), Some(&Caller { principal: &principal, token }), &*self.clock)
            .await?;
        let supplied = picked.ensure_access(&Wanted::default()).await?;
        Ok(jsonwebtoken::dangerous::insecure_decode_claims(supplied.token().expose()).unwrap())
    }

    fn exchanges(&self) -> u64 {
        self.server.counts().snapshot().grant("urn:ietf:params:oauth:grant-type:token-exchange")
    }
}

// SPEC CL-8
#[tokio::test]
async fn a_caller_gets_a_token_that_speaks_for_them_at_the_destination() {
    let scene = scene().await;
    let (source, token) = (Source::Own(scene.exchange(API, None)), scene.subject_token("alice"));
    let claims = scene.claims(&source, "alice", &token).await.unwrap();
    assert_eq!(
        (&claims["sub"], &claims["aud"], &claims["org_id"]),
        (&json!("alice"), &json!(API), &json!("acme"))
    );
    assert!(claims["act"].is_null());
    for _ in 0..10 {
        scene.claims(&source, "alice", &token).await.unwrap();
    }
    assert_eq!(scene.exchanges(), 1);
}

// SPEC CL-8
#[tokio::test]
async fn with_an_actor_it_says_who_acts_for_them_and_without_it_does_not() {
    let scene = scene().await;
    let delegated = Source::Own(scene.exchange(API, Some(scene.machine())));
    let plain = Source::Own(scene.exchange(API, None));
    let token = scene.subject_token("alice");
    let claims = scene.claims(&delegated, "alice", &token).await.unwrap();
    assert_eq!((&claims["sub"], &claims["act"]["sub"]), (&json!("alice"), &json!("gateway")));
    assert!(scene.claims(&plain, "alice", &token).await.unwrap()["act"].is_null());
}

// HARD 3
#[tokio::test]
async fn two_callers_at_once_get_each_their_own() {
    let scene = scene().await;
    let source = Source::Own(scene.exchange(API, None));
    let (alice, bob) = (scene.subject_token("alice"), scene.subject_token("bob"));
    let callers = (0..40).map(|n| {
        let (name, token) = if n % 2 == 0 { ("alice", &alice) } else { ("bob", &bob) };
        let (scene, source) = (&scene, &source);
        async move { (name, scene.claims(source, name, token).await.unwrap()) }
    });
    for (name, claims) in futures_util::future::join_all(callers).await {
        assert_eq!(claims["sub"], name);
    }
    assert_eq!(scene.exchanges(), 2);
}

// SPEC CL-8
#[tokio::test]
async fn each_refusal_is_told_by_its_code_and_a_target_that_nobody_may_have_by_its_own() {
    let scene = scene().await;
    let good = scene.subject_token("alice");
    let expired = AccessToken::new(scene.server.token_for(MCP).claim("sub", "alice").claim("exp", 1).build());
    let garbage = AccessToken::new("garbage");
    for (resource, token, expected) in [
        ("https://elsewhere.example", &good, "invalid_target"),
        (API, &expired, "invalid_request"),
        (API, &garbage, "invalid_request"),
    ] {
        let error =
            scene.claims(&Source::Own(scene.exchange(resource, None)), "alice", token).await.unwrap_err();
        match &*error.failure {
            Failure::Refused { code, .. } => assert_eq!(code, expected),
            other => panic!("{expected}: {other:?}"),
        }
        assert!(!format!("{error} {error:?}").contains(token.expose()));
    }
}

// SPEC CL-8
#[tokio::test]
async fn an_answer_that_does_not_say_what_it_holds_is_not_used() {
    let scene = scene().await;
    let body = json!({"access_token": "x", "token_type": "Bearer", "expires_in": 60}).to_string();
    scene.server.faults().next(Place::Token, 1, Fault::Body { body });
    let (source, token) = (Source::Own(scene.exchange(API, None)), scene.subject_token("alice"));
    let claims = scene.claims(&source, "alice", &token).await.unwrap();
    assert_eq!((&claims["sub"], scene.exchanges()), (&json!("alice"), 1), "the next answer, which does");
}

// HARD 14
#[tokio::test]
async fn a_logout_ends_a_callers_token_at_the_server_and_nobody_elses() {
    let scene = scene().await;
    let exchange = scene.exchange(API, None);
    let (alice, bob) = (scene.subject_token("alice"), scene.subject_token("bob"));
    let [of_alice, of_bob] = [("alice", &alice), ("bob", &bob)].map(|(name, token)| {
        let principal = scene.principal(name);
        (exchange.key(&principal, token), exchange.handle(&Caller { principal: &principal, token }))
    });
    let mut tokens = Vec::new();
    for (_, handle) in [&of_alice, &of_bob] {
        tokens.push(handle.ensure_access(&Wanted::default()).await.unwrap().token().clone());
    }
    assert_eq!(scene.manager.log_out(&of_alice.0).await, Ok(Revoked::Done));
    let machine = scene.machine();
    let of_machine = machine.ensure_access(&Wanted::default()).await.unwrap();
    let exchange_of = async |token: &AccessToken| {
        // What is revoked is no subject token any more.
        scene.claims(&Source::Own(scene.exchange(API, None)), "x", token).await.is_ok()
    };
    assert!(!exchange_of(&tokens[0]).await);
    assert!(exchange_of(&tokens[1]).await);
    assert!(exchange_of(of_machine.token()).await);
}

// HARD 16
#[tokio::test]
async fn delegation_goes_on_after_the_server_was_down() {
    let scene = scene().await;
    let source = Source::Own(scene.exchange(API, Some(scene.machine())));
    let token = scene.subject_token("alice");
    scene.server.faults().next(Place::Token, 3, Fault::Reset);
    let claims = scene.claims(&source, "alice", &token).await.unwrap();
    assert_eq!(claims["act"]["sub"], "gateway");
    // The grant by itself, too.
    assert!(scene.request(API).credential_version().is_some());
    assert!(ClientCredentials::new(scene.request(API)).request().await.is_ok());
}

// HARD 7
#[tokio::test]
async fn an_actor_whose_token_may_be_revoked_gets_another_before_it_expires() {
    let scene = scene().await;
    let machine = scene.machine();
    let source = Source::Own(scene.exchange(API, Some(machine.clone())));
    let alice = scene.subject_token("alice");
    scene.claims(&source, "alice", &alice).await.unwrap();
    let first = machine.ensure_access(&Wanted::default()).await.unwrap();

    let body = json!({"error": "invalid_request"}).to_string();
    scene.server.faults().next(Place::Token, 1, Fault::Status { status: 400, body, retry_after: None });
    let bob = scene.subject_token("bob");
    let error = scene.claims(&source, "bob", &bob).await.unwrap_err();
    assert!(error.to_string().contains("the caller's token, or the actor's, is not taken"), "{error}");
    let carol = scene.subject_token("alice");
    scene.claims(&source, "alice", &carol).await.unwrap();
    let second = machine.ensure_access(&Wanted::default()).await.unwrap();
    assert_ne!(first.token().expose(), second.token().expose());
}
