//! An issuer, an application at it, and a browser.

use bearward_broker::random::Secret;
use bearward_broker::session_tokens::Parts;
use bearward_broker::{Attempts, Completed, Login, Problem, ProblemKind, SessionTokens};
use bearward_guard::loaders::Discovered;
use bearward_guard::{Expectations, IdTokens, KeySource, TrustedIssuer};
use bearward_issuer::{ClientAuth, Discovery, FixedCredential, HttpFetch, KnownMetadata, OauthClient};
use bearward_observe::Observer;
use bearward_store::{Memory, Store};
use bearward_supply::{Exchange, Label, Revoker, TokenManager, TokenRequest};
use bearward_testbed::authorization_server::{Client, ClientAuth as Registered, User};
use bearward_testbed::{AuthorizationServer, authorization_server::Builder};
use bearward_token::{ClientSecret, SystemClock};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const SECRET: &str = "application secret";
pub(crate) const CALLBACK: &str = "https://app.example.com/auth/callback";
/// How long a session may live.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(3600);
pub(crate) const MCP: &str = "https://mcp.example.com/mcp";
/// What a login reaches besides.
pub(crate) const CALENDAR: &str = "https://calendar.example.com";
pub(crate) const CONTACTS: &str = "https://contacts.example.com";

pub(crate) struct Scene {
    pub(crate) issuer: AuthorizationServer,
    pub(crate) login: Login,
    /// What the application can have exchanged, too.
    pub(crate) for_contacts: Arc<TokenRequest>,
    pub(crate) browser: Secret,
    pub(crate) http: reqwest::Client,
}

pub(crate) async fn scene() -> Scene {
    scene_of(|builder| builder).await
}

pub(crate) async fn scene_of(more: impl FnOnce(Builder) -> Builder) -> Scene {
    let app = Client::new("app", Registered::SecretBasic(SECRET.into()))
        .redirect_uri(CALLBACK)
        .audiences(&[MCP, CALENDAR, CONTACTS]);
    let alice = User::new("alice", "wonderland").claim("name", "Alice");
    let issuer = more(AuthorizationServer::builder().client(app).user(alice)).start().await.unwrap();
    let clock = Arc::new(SystemClock::new());
    let fetch = Arc::new(HttpFetch::new().unwrap());
    let name = issuer.issuer().parse::<bearward_token::Issuer>().unwrap();
    let known =
        || KnownMetadata::new(name.clone(), Discovery::new(fetch.clone(), clock.clone()), clock.clone());
    let credential = Arc::new(FixedCredential(ClientSecret::new(SECRET)));
    let request = |resource: &str| {
        let credential = credential.clone();
        TokenRequest {
            metadata: known(),
            token_endpoint: None,
            client: OauthClient::new(
                "app",
                ClientAuth::SecretBasic,
                credential,
                fetch.clone(),
                clock.clone(),
            ),
            audience: None,
            resource: Some(resource.into()),
            scopes: Default::default(),
            extra: Vec::new(),
        }
    };
    let (request, for_contacts) = (Arc::new(request(MCP)), Arc::new(request(CONTACTS)));
    let login = Login {
        request: request.clone(),
        scopes: "openid offline_access mcp calendar".parse().unwrap(),
        extra: vec![("prompt".into(), "login".into())],
        more_resources: vec![CALENDAR.into(), CONTACTS.into()],
        redirect_uri: CALLBACK.into(),
        is_pkce_known: false,
        id_tokens: id_tokens(&issuer, "app"),
        attempts: Attempts::new(clock.clone()),
        revoker: Some(Arc::new(Revoker::start(request.clone(), Arc::new(Memory::new(100, clock))))),
    };
    let http =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    Scene { issuer, login, for_contacts, browser: Secret::new().unwrap(), http }
}

/// Verifies ID tokens of an issuer for a client.
fn id_tokens(issuer: &AuthorizationServer, client: &str) -> IdTokens {
    let (clock, fetch) = (Arc::new(SystemClock::new()), Arc::new(HttpFetch::new().unwrap()));
    let name = issuer.issuer().parse::<bearward_token::Issuer>().unwrap();
    let metadata =
        KnownMetadata::new(name.clone(), Discovery::new(fetch.clone(), clock.clone()), clock.clone());
    let loader = Discovered { metadata, fetch };
    let trusted = TrustedIssuer {
        keys: Some(Arc::new(KeySource::start(name.clone(), Arc::new(loader), clock.clone()))),
        issuer: name,
        opaque: None,
        algorithms: vec![bearward_guard::keys::Algorithm::RS256],
        expectations: Expectations::for_audiences(Vec::new()),
    };
    IdTokens::new(Arc::new(trusted), client, clock)
}

impl Scene {
    pub(crate) fn id_tokens_for(&self, client: &str) -> IdTokens {
        id_tokens(&self.issuer, client)
    }

    /// The query with which the browser comes back.
    pub(crate) async fn sign_in(&self) -> String {
        let issuer = self.login.begin("/notes?id=1".parse().unwrap(), &self.browser).await.unwrap();
        let form = self.http.post(issuer).header("content-type", "application/x-www-form-urlencoded");
        let answer = form.body("username=alice&password=wonderland").send().await.unwrap();
        assert_eq!(answer.status(), 303);
        let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        assert!(back.as_str().starts_with(CALLBACK));
        back.query().unwrap().to_owned()
    }

    pub(crate) async fn complete(&self, query: &str) -> Result<Completed, Problem> {
        self.login.complete(query, &self.browser).await
    }

    pub(crate) async fn fails(&self, query: &str) -> ProblemKind {
        self.complete(query).await.unwrap_err().kind
    }
}

impl Scene {
    pub(crate) fn session_tokens(&self) -> SessionTokens {
        self.session_tokens_in(Arc::new(Memory::new(100, Arc::new(SystemClock::new()))))
    }

    pub(crate) fn session_tokens_in(&self, store: Arc<dyn Store>) -> SessionTokens {
        let (clock, observer) = (Arc::new(SystemClock::new()), Observer::new());
        let request = self.login.request.clone();
        SessionTokens::new(Parts {
            manager: Arc::new(TokenManager::new(clock, observer.clone(), 1)),
            label: Label::new("session", &observer),
            revoker: Some(Arc::new(Revoker::start(request.clone(), store.clone()))),
            request,
            store,
            kept_for: KEPT_FOR,
        })
    }

    /// The session's own token for one that is for the contacts.
    pub(crate) fn exchange(&self) -> Exchange {
        let (clock, observer) = (Arc::new(SystemClock::new()), Observer::new());
        let request = self.for_contacts.clone();
        let revoker = Revoker::start(request.clone(), Arc::new(Memory::new(100, clock.clone())));
        let manager = Arc::new(TokenManager::new(clock, observer.clone(), 1));
        Exchange::new(manager, Label::new("exchanged", &observer), request, None, Some(Arc::new(revoker)))
    }

    pub(crate) fn refreshes(&self) -> u64 {
        self.issuer.counts().snapshot().grant("refresh_token")
    }
}

/// For what happens on another task; that it does at all is asserted.
pub(crate) async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !happened().await {
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(seen.is_ok(), "not seen: {what}");
}
