//! Signing in at a real issuer, with a program that plays the browser.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use bearward_broker::random::Secret;
use bearward_broker::session_tokens::Parts;
use bearward_broker::{Attempts, Completed, Login, Problem, ProblemKind, SessionTokens};
use bearward_guard::loaders::Discovered;
use bearward_guard::{Expectations, IdTokens, KeySource, TrustedIssuer};
use bearward_issuer::{ClientAuth, Discovery, FixedCredential, HttpFetch, KnownMetadata, OauthClient};
use bearward_observe::Observer;
use bearward_store::Memory;
use bearward_supply::{Label, Revoker, TokenManager, TokenRequest, Wanted};
use bearward_testbed::authorization_server::{Client, ClientAuth as Registered, Fault, Place, User};
use bearward_testbed::{AuthorizationServer, authorization_server::Builder};
use bearward_token::{ClientSecret, SystemClock};
use url::Url;

const SECRET: &str = "application secret";
const CALLBACK: &str = "https://app.example.com/auth/callback";
const MCP: &str = "https://mcp.example.com/mcp";

struct Scene {
    issuer: AuthorizationServer,
    login: Login,
    browser: Secret,
    http: reqwest::Client,
}

async fn scene() -> Scene {
    scene_of(|builder| builder).await
}

async fn scene_of(more: impl FnOnce(Builder) -> Builder) -> Scene {
    let app =
        Client::new("app", Registered::SecretBasic(SECRET.into())).redirect_uri(CALLBACK).audiences(&[MCP]);
    let alice = User::new("alice", "wonderland").claim("name", "Alice");
    let issuer = more(AuthorizationServer::builder().client(app).user(alice)).start().await.unwrap();
    let clock = Arc::new(SystemClock::new());
    let fetch = Arc::new(HttpFetch::new().unwrap());
    let name = issuer.issuer().parse::<bearward_token::Issuer>().unwrap();
    let known =
        || KnownMetadata::new(name.clone(), Discovery::new(fetch.clone(), clock.clone()), clock.clone());
    let credential = Arc::new(FixedCredential(ClientSecret::new(SECRET)));
    let request = TokenRequest {
        metadata: known(),
        token_endpoint: None,
        client: OauthClient::new("app", ClientAuth::SecretBasic, credential, fetch.clone(), clock.clone()),
        audience: None,
        resource: Some(MCP.into()),
        scopes: Default::default(),
        extra: Vec::new(),
    };
    let loader = Discovered { metadata: known(), fetch };
    let trusted = TrustedIssuer {
        keys: Some(Arc::new(KeySource::start(name.clone(), Arc::new(loader), clock.clone()))),
        issuer: name,
        opaque: None,
        algorithms: vec![bearward_guard::keys::Algorithm::RS256],
        expectations: Expectations::for_audiences(Vec::new()),
    };
    let login = Login {
        request: Arc::new(request),
        scopes: "openid offline_access mcp".parse().unwrap(),
        redirect_uri: CALLBACK.into(),
        is_pkce_known: false,
        id_tokens: IdTokens::new(Arc::new(trusted), "app", clock.clone()),
        attempts: Attempts::new(Arc::new(Memory::new(100, clock.clone())), clock, "app"),
    };
    let http =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    Scene { issuer, login, browser: Secret::new().unwrap(), http }
}

impl Scene {
    /// The query with which the browser comes back.
    async fn sign_in(&self) -> String {
        let begun = self.login.begin("/notes?id=1".parse().unwrap(), &self.browser).await.unwrap();
        let form = self.http.post(begun.redirect).header("content-type", "application/x-www-form-urlencoded");
        let answer = form.body("username=alice&password=wonderland").send().await.unwrap();
        assert_eq!(answer.status(), 303);
        let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        assert!(back.as_str().starts_with(CALLBACK));
        back.query().unwrap().to_owned()
    }

    async fn complete(&self, query: &str) -> Result<Completed, Problem> {
        self.login.complete(query, &self.browser).await
    }

    async fn fails(&self, query: &str) -> ProblemKind {
        self.complete(query).await.unwrap_err().kind
    }
}

#[tokio::test]
async fn a_user_signs_in_and_the_application_learns_who_they_are_and_gets_their_tokens() {
    let scene = scene().await;
    let completed = scene.complete(&scene.sign_in().await).await.unwrap();
    assert_eq!(
        (completed.session.subject.as_str(), completed.session.name.as_deref()),
        ("alice", Some("Alice"))
    );
    assert_eq!(completed.return_to.as_str(), "/notes?id=1");
    assert!(completed.refresh_token.is_some() && completed.session.id_token().is_some());
    assert!(completed.granted.access_token.expose().starts_with("ey"));
    let shown = format!("{completed:?} {:?}", scene.login);
    assert!(scene.issuer.counts().secrets().iter().all(|secret| !shown.contains(secret)), "{shown}");
}

// SPEC CL-4, CL-5
#[tokio::test]
async fn what_comes_back_forged_replayed_mixed_up_or_to_another_browser_signs_nobody_in() {
    let scene = scene().await;
    let query = scene.sign_in().await;
    let stranger = scene.login.complete(&query, &Secret::new().unwrap()).await.unwrap_err();
    assert_eq!(stranger.kind, ProblemKind::StateMismatch, "a login that somebody else began (login CSRF)");
    assert_eq!(scene.fails("code=abc").await, ProblemKind::StateMismatch);
    assert!(scene.complete(&query).await.is_ok());
    assert_eq!(scene.fails(&query).await, ProblemKind::StateMismatch, "replayed");
    let mixed_up = scene.sign_in().await.replace("iss=http", "iss=https");
    assert_eq!(scene.fails(&mixed_up).await, ProblemKind::IssuerMismatch);
    assert_eq!(
        scene.issuer.counts().snapshot().grant("authorization_code"),
        1,
        "no other code was shown to anybody"
    );
}

#[tokio::test]
async fn a_code_of_another_login_signs_nobody_in() {
    let scene = scene().await;
    let (one, other) = (scene.sign_in().await, scene.sign_in().await);
    let code = |query: &str| {
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        pairs.into_iter().find(|(name, _)| name == "code").unwrap().1
    };
    // The verifier does not fit, whoever injected the code.
    let injected = one.replace(&code(&one), &code(&other));
    assert_eq!(scene.fails(&injected).await, ProblemKind::StateExpired);
}

#[tokio::test]
async fn an_issuer_that_refuses_or_is_down_is_told_apart() {
    let scene = scene().await;
    let query = scene.sign_in().await;
    let refused = query.split('&').filter(|pair| !pair.starts_with("code=")).collect::<Vec<_>>().join("&");
    assert_eq!(scene.fails(&format!("{refused}&error=access_denied")).await, ProblemKind::LoginRefused);
    let query = scene.sign_in().await;
    let down = Fault::Status { status: 503, body: String::new(), retry_after: None };
    scene.issuer.faults().always(Place::Token, down);
    assert_eq!(scene.fails(&query).await, ProblemKind::IssuerUnavailable);
    scene.issuer.faults().clear();
    scene.issuer.stop().await;
}

impl Scene {
    fn session_tokens(&self) -> SessionTokens {
        let (clock, observer) = (Arc::new(SystemClock::new()), Observer::new());
        let store = Arc::new(Memory::new(100, clock.clone()));
        let request = self.login.request.clone();
        SessionTokens::new(Parts {
            manager: Arc::new(TokenManager::new(clock, observer.clone(), 1)),
            label: Label::new("session", &observer),
            revoker: Some(Arc::new(Revoker::start(request.clone(), store.clone()))),
            request,
            store,
            kept_for: Duration::from_secs(3600),
        })
    }

    fn refreshes(&self) -> u64 {
        self.issuer.counts().snapshot().grant("refresh_token")
    }
}

// HARD 32
#[tokio::test]
async fn twenty_tabs_that_need_a_new_token_at_once_cost_one_refresh_and_sign_nobody_out() {
    let scene = scene().await;
    let (tokens, cookie) = (scene.session_tokens(), Secret::new().unwrap());
    let Completed { granted, sent, refresh_token, .. } =
        scene.complete(&scene.sign_in().await).await.unwrap();
    let first = granted.access_token.clone();
    tokens.begin(&cookie, refresh_token, granted, sent).await.unwrap();
    let now = async || tokens.handle(&cookie).ensure_access(&Wanted::default()).await.unwrap();
    let refused = now().await;
    assert_eq!((refused.token(), scene.refreshes()), (&first, 0), "the sign-in's own token is used first");

    // All of them were refused with it.
    let tabs = (0..20).map(|_| async {
        let handle = tokens.handle(&cookie);
        handle.instead_of(&refused, &Wanted::default()).await.unwrap().unwrap().token().expose().to_owned()
    });
    let given = futures_util::future::join_all(tabs).await;
    assert!(given.iter().all(|token| *token == given[0] && *token != first.expose()));
    assert_eq!(scene.refreshes(), 1);
    assert_eq!(now().await.token().expose(), given[0]);
}

// HARD 14
#[tokio::test]
async fn who_signs_out_has_no_token_and_the_issuer_knows() {
    let scene = scene().await;
    let (tokens, cookie) = (scene.session_tokens(), Secret::new().unwrap());
    let Completed { granted, sent, refresh_token, .. } =
        scene.complete(&scene.sign_in().await).await.unwrap();
    tokens.begin(&cookie, refresh_token, granted, sent).await.unwrap();
    tokens.handle(&cookie).ensure_access(&Wanted::default()).await.unwrap();
    assert_eq!(tokens.end(&cookie).await, Ok(bearward_supply::Revoked::Done));
    let error = tokens.handle(&cookie).ensure_access(&Wanted::default()).await.unwrap_err();
    assert!(error.to_string().contains("log in again"), "{error}");
    assert_eq!(scene.refreshes(), 0);
}
