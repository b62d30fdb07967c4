//! A whole stage in this process: an authorization server, an MCP server, an API, and Bearward between them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bearward::background::Background;
use bearward::config::Environment;
use bearward::sockets::Sockets;
use bearward_gateway::listener::Listener;
use bearward_observe::Observer;
use bearward_testbed::AuthorizationServer;
use bearward_testbed::authorization_server::{Client, ClientAuth};
use bearward_testbed::mcp::SampleMcpServer;
use bearward_testbed::notes::NotesApi;
use tokio::net::TcpListener;

/// The first request of a client with a session; its id is 7.
pub const INIT: &str = r#"{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

/// What the notes API's tokens are for.
pub const NOTES: &str = "https://notes.example.com";

/// Everything that a test touches.
#[derive(Debug)]
pub struct Stage {
    /// Issues the tokens.
    pub issuer: AuthorizationServer,
    /// Behind the guard.
    pub mcp: SampleMcpServer,
    /// Behind the MCP server, and behind the sidecar.
    pub notes: NotesApi,
    /// The guarded resource.
    pub resource: String,
    /// The sidecar's base URL.
    pub egress: String,
    /// The admin listener's base URL.
    pub admin: String,
    /// Bearward's events.
    pub observer: Observer,
    /// Bearward.
    pub bearward: Background,
    /// An HTTP client.
    pub http: reqwest::Client,
}

/// Bends the stage before the curtain rises.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// More lines of the guard, each indented by four spaces, and more guards. `ORIGIN`, `ISSUER` and `MCP` stand for
    /// the public listener's origin, the issuer, and the sample server's URL.
    pub guard: String,
    /// More keys of the server, each behind a comma.
    pub server: String,
    /// More sections of the configuration.
    pub sections: String,
    /// The guard's upstream instead of the sample server, with `provider` if need be; `NOTES` stands for the
    /// notes API's URL.
    pub upstream: Option<String>,
    /// The provider's `auth` instead of the client's own credential; `ISSUER` stands for the issuer. The client's id and
    /// secret are added.
    pub auth: Option<String>,
    /// Where the secret of the client at the issuer is, instead of the environment.
    pub client_secret: Option<String>,
    /// The issuer is stopped before Bearward starts. [`Stage::issuer`] is then another one with its keys.
    pub issuer_down: bool,
}

impl Stage {
    /// The usual stage.
    pub async fn new() -> Self {
        Self::with(Plan::default()).await
    }

    /// A stage bent by a plan. Waits until Bearward is ready, unless the issuer is down.
    ///
    /// # Panics
    /// When something of it cannot start.
    pub async fn with(plan: Plan) -> Self {
        let mut issuer = issuer().start().await.unwrap();
        let notes = NotesApi::builder(&issuer.issuer(), NOTES)
            .tenant_secret("tenant-secret-value")
            .start()
            .await
            .unwrap();
        let (listen, admin, egress) = (free().await, free().await, free().await);
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        let (listen_at, admin_at, egress_at) = (address(&listen), address(&admin), address(&egress));
        let mcp =
            SampleMcpServer::builder().notes(&format!("http://{egress_at}/notes-api")).start().await.unwrap();
        let resource = format!("http://{listen_at}/mcp");
        let sample = format!("url: '{}'", mcp.url());
        let upstream = plan.upstream.map_or(sample, |upstream| upstream.replace("NOTES", &notes.url()));
        let usual = "grant: client_credentials, authority: 'ISSUER', audience: 'https://notes.example.com'";
        let auth = plan.auth.as_deref().unwrap_or(usual).replace("ISSUER", &issuer.issuer());
        let config = format!(
            "
server: {{listen: '{listen_at}', admin: '{admin_at}', egress: '{egress_at}', drain: 1s{server}}}
mcp:
  providers:
    - name: notes-api
      url: {notes}
      auth: {{{auth}, clientId: bearward, clientSecret: {client_secret}, allowInsecure: true}}
      tenantHeaders: {{prefix: X-TB, secret: {{env: TENANT_SECRET}}, constant: acme}}
guards:
  - resource: {resource}
    upstream: {{{upstream}}}
    issuers: [{{issuer: '{issuer}'}}]
{guard}
{sections}
",
            client_secret = plan.client_secret.as_deref().unwrap_or("{env: CLIENT_SECRET}"),
            sections = plan.sections,
            notes = notes.url(),
            issuer = issuer.issuer(),
            server = plan.server,
            guard = plan
                .guard
                .replace("ORIGIN", &format!("http://{listen_at}"))
                .replace("ISSUER", &issuer.issuer())
                .replace("MCP", &mcp.url()),
        );
        if plan.issuer_down {
            let keys = issuer.keys().clone();
            issuer.stop().await;
            issuer = AuthorizationServer::builder().keys(keys).start().await.unwrap();
        }
        let environment = [
            ("CLIENT_SECRET", "client-secret-value"),
            ("TENANT_SECRET", "tenant-secret-value"),
            ("HASH_KEY", "hash-key-value"),
        ];
        let environment =
            Environment::new(environment.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let observer = Observer::new();
        let sockets = Sockets { listen, admin, admin_socket: None, egress: Some(Listener::Tcp(egress)) };
        let bearward = Background::start(&config, environment, observer.clone(), sockets).await.unwrap();
        let stage = Self {
            issuer,
            mcp,
            notes,
            resource,
            egress: format!("http://{egress_at}"),
            admin: format!("http://{admin_at}"),
            observer,
            bearward,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        if !plan.issuer_down {
            stage.until_ready().await;
        }
        stage
    }

    /// A token that opens the guard.
    pub fn token(&self) -> String {
        self.token_of("alice")
    }

    /// Somebody's token that opens the guard.
    pub fn token_of(&self, subject: &str) -> String {
        self.issuer.token_for(&self.resource).subject(subject).build()
    }

    /// A POST to the resource with [`INIT`] as its body, if none other is set, and this token.
    pub fn post(&self, token: &str) -> reqwest::RequestBuilder {
        let request = self.http.post(&self.resource).bearer_auth(token).body(INIT);
        request
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
    }

    /// `/metrics`.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn metrics(&self) -> String {
        self.http.get(format!("{}/metrics", self.admin)).send().await.unwrap().text().await.unwrap()
    }

    /// Waits until `/readyz` says yes.
    pub async fn until_ready(&self) {
        eventually("ready", || async { self.ready().await.0 == 200 }).await;
    }

    /// `/readyz`: status and body.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn ready(&self) -> (u16, String) {
        let answer = self.http.get(format!("{}/readyz", self.admin)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

/// The stage's issuer, to be started (again).
pub fn issuer() -> bearward_testbed::authorization_server::Builder {
    issuer_that_knows("client-secret-value")
}

/// The same with another secret of its client.
pub fn issuer_that_knows(secret: &str) -> bearward_testbed::authorization_server::Builder {
    let secret = ClientAuth::SecretBasic(secret.into());
    AuthorizationServer::builder().client(Client::new("bearward", secret).audiences(&[NOTES]))
}

/// Polls until it holds; fails after ten seconds. For things that happen in another task's time.
///
/// # Panics
/// When it does not hold in time.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not within ten seconds");
}

/// Sends bytes as they are and reads until the peer closes or goes quiet: for requests that no client makes.
///
/// # Panics
/// When nobody listens.
pub async fn raw(address: SocketAddr, request: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    // A server may refuse, and close, before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn free() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap()
}
