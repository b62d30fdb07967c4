//! A web application in this process: an issuer whose users sign in there, Bearward as its broker, two APIs behind.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;

use bearward::background::Background;
use bearward::config::Environment;
use bearward::sockets::Sockets;
use bearward_gateway::listener::Listener;
use bearward_observe::Observer;
use bearward_testbed::AuthorizationServer;
use bearward_testbed::authorization_server::{Client, ClientAuth, User};
use bearward_testbed::notes::NotesApi;
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::stage::NOTES;

/// What the second API's tokens are for.
pub const DRIVE: &str = "https://drive.example.com";
/// What both APIs want to see beside a token.
const TENANT: &str = "tenantHeaders: {prefix: X-TB, secret: {env: TENANT}, constant: acme}";
/// Seals the sessions.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Everything that a test touches.
#[derive(Debug)]
pub struct Application {
    /// Signs users in: `alice` and `bob`, by the password `wonderland`.
    pub issuer: AuthorizationServer,
    /// Takes the tokens of the sign-in; behind the guard and behind the sidecar.
    pub notes: NotesApi,
    /// Takes tokens that are exchanged for those.
    pub drive: NotesApi,
    /// Where browsers reach it.
    pub origin: String,
    /// The sidecar's base URL.
    pub egress: String,
    /// The admin listener's base URL.
    pub admin: String,
    /// Where sessions are kept.
    pub state: TempDir,
    config: String,
    at: [SocketAddr; 3],
    bearward: Option<Background>,
    /// Further variables of the next Bearward.
    pub variables: Vec<(String, String)>,
}

/// Somebody with a browser.
#[derive(Debug, Clone)]
pub struct Visitor {
    origin: String,
    http: reqwest::Client,
    /// Names and values.
    pub cookies: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The document, if it is one.
    pub body: Value,
}

impl Application {
    /// One whose `notes-api` has this more in its `auth`, and whose broker has this more; each begins with a comma.
    ///
    /// # Panics
    /// When something of it cannot start.
    pub async fn with(auth: &str, broker: &str) -> Self {
        let listeners = [free().await, free().await, free().await];
        let at = [0, 1, 2].map(|n: usize| listeners.get(n).unwrap().local_addr().unwrap());
        let [listen, admin, egress] = at;
        let origin = format!("http://{listen}");
        let secret = ClientAuth::SecretBasic("application-secret-value".into());
        let client = Client::new("app", secret).audiences(&[NOTES, DRIVE]);
        let issuer = AuthorizationServer::builder()
            .client(client.redirect_uri(&format!("{origin}/auth/callback")))
            .user(User::new("alice", "wonderland").claim("name", "Alice"))
            .user(User::new("bob", "wonderland"));
        let issuer = issuer.start().await.unwrap();
        let api = |audience| {
            NotesApi::builder(&issuer.issuer(), audience).tenant_secret("tenant-secret-value").start()
        };
        let (notes, drive) = (api(NOTES).await.unwrap(), api(DRIVE).await.unwrap());
        let state = tempfile::tempdir().unwrap();
        let config = format!(
            "
server: {{listen: '{listen}', admin: '{admin}', egress: '{egress}', drain: 1s}}
state: {{backend: file, path: '{state}', key: {{env: STATE_KEY}}}}
telemetry: {{audit: {{file: '{state}/audit.jsonl'}}}}
default: {{mcp: {{reuseAuthorizer: true}}}}
broker:
  {{issuer: '{issuer}', clientId: app, clientSecret: {{env: APP_SECRET}}, scopes: [openid, offline_access], resource: '{NOTES}'{broker}}}
mcp:
  providers:
    - {{name: notes-api, url: '{notes}', auth: {{resource: '{NOTES}', allowInsecure: true{auth}}}, {TENANT}}}
    - {{name: drive-api, url: '{drive}', auth: {{audience: '{DRIVE}', allowInsecure: true}}, {TENANT}}}
    - {{name: foreign, url: https://tools.example.com, auth: {{authority: https://other.example.com, audience: x}}}}
guards:
  - resource: {origin}/mcp
    upstream: {{url: '{notes}/notes', provider: notes-api}}
    issuers: [{{issuer: '{issuer}'}}]
",
            state = state.path().display(),
            issuer = issuer.issuer(),
            notes = notes.url(),
            drive = drive.url(),
        );
        let mut application = Self {
            issuer,
            notes,
            drive,
            origin,
            egress: format!("http://{egress}"),
            admin: format!("http://{admin}"),
            state,
            config,
            at,
            bearward: None,
            variables: Vec::new(),
        };
        application.serve(listeners).await;
        application
    }

    /// The usual one.
    pub async fn new() -> Self {
        Self::with("", "").await
    }

    /// Ends Bearward and starts another one in its place.
    ///
    /// # Panics
    /// When it does not start again.
    pub async fn restart(&mut self) {
        self.bearward.take().unwrap().stop().await;
        let mut listeners = Vec::new();
        for address in self.at {
            listeners.push(TcpListener::bind(address).await.unwrap());
        }
        self.serve(listeners.try_into().unwrap()).await;
    }

    async fn serve(&mut self, listeners: [TcpListener; 3]) {
        let [listen, admin, egress] = listeners;
        let given = [
            ("APP_SECRET", "application-secret-value"),
            ("STATE_KEY", KEY),
            ("TENANT", "tenant-secret-value"),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = Environment::new(given.into_iter().chain(self.variables.clone()));
        let sockets = Sockets { listen, admin, admin_socket: None, egress: Some(Listener::Tcp(egress)) };
        let started = Background::start(&self.config, environment, Observer::new(), sockets).await;
        self.bearward = Some(started.unwrap());
    }

    /// Somebody who was never here.
    ///
    /// # Panics
    /// When there is no HTTP client.
    pub fn visitor(&self) -> Visitor {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Visitor { origin: self.origin.clone(), http: http.build().unwrap(), cookies: Vec::new() }
    }

    /// Somebody who has signed in.
    pub async fn signed_in(&self, user: &str) -> Visitor {
        let mut visitor = self.visitor();
        assert_eq!(visitor.sign_in(user).await.status, 303);
        visitor
    }

    /// `/metrics`.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn metrics(&self) -> String {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.get(format!("{}/metrics", self.admin)).send().await.unwrap().text().await.unwrap()
    }

    /// The audit trail's lines about what left, or did not, by now.
    ///
    /// # Panics
    /// When a line is no JSON.
    pub fn departures(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.state.path().join("audit.jsonl")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line.get("provider").is_some()).collect()
    }

    /// How often refresh tokens were spent.
    pub fn refreshes(&self) -> u64 {
        self.issuer.counts().snapshot().grant("refresh_token")
    }
}

impl Visitor {
    /// Goes to the issuer, signs in there, and comes back.
    ///
    /// # Panics
    /// When there is no way there.
    pub async fn sign_in(&mut self, user: &str) -> Answer {
        let gone = self.get("/auth/login?returnTo=/notes").await;
        assert_eq!(gone.status, 303, "{}", gone.body);
        let issuer = gone.headers.get(LOCATION).unwrap().to_str().unwrap();
        let form = self.http.post(issuer).header("content-type", "application/x-www-form-urlencoded");
        let back = form.body(format!("username={user}&password=wonderland")).send().await.unwrap();
        let back = back.headers().get(LOCATION).unwrap().to_str().unwrap().to_owned();
        self.get(back.strip_prefix(&self.origin).unwrap()).await
    }

    /// A page.
    pub async fn get(&mut self, path: &str) -> Answer {
        let request = self.http.get(format!("{}{path}", self.origin));
        self.send(request).await
    }

    /// As the application's own page does it.
    pub async fn post(&mut self, path: &str, body: &Value) -> Answer {
        let request = self.http.post(format!("{}{path}", self.origin)).header("x-csrf", "1");
        let request = request.header("content-type", "application/json").body(body.to_string());
        self.send(request.header("sec-fetch-site", "same-origin")).await
    }

    /// Sends any request, with the cookies.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let answer = self.with_cookies(request).send().await.unwrap();
        for set in answer.headers().get_all(SET_COOKIE) {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null);
        Answer { status, headers, body }
    }

    /// Puts the cookies on a request to anywhere.
    pub fn with_cookies(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) }
    }

    /// Whether it counts as signed in.
    pub async fn is_signed_in(&mut self) -> bool {
        self.get("/auth/session").await.body.get("authenticated") == Some(&Value::Bool(true))
    }
}

impl Answer {
    /// The word of a problem, with its status.
    ///
    /// # Panics
    /// When it is none.
    pub fn problem(&self) -> (u16, &str) {
        let kind = self.body.get("type").and_then(Value::as_str).unwrap_or_else(|| panic!("{self:?}"));
        (self.status, kind.strip_prefix("urn:bearward:problem:").unwrap())
    }
}

async fn free() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap()
}
