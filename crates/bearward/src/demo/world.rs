//! The demo's cast, started in the order in which they need each other.

use std::io;

use bearward_observe::Observer;
use bearward_testbed::AuthorizationServer;
use bearward_testbed::authorization_server::{Client, ClientAuth, User};
use bearward_testbed::mcp::SampleMcpServer;
use bearward_testbed::notes::NotesApi;
use tokio::net::TcpListener;

use crate::background::Background;
use crate::cli::serve::random_seed;
use crate::config::Environment;
use crate::sockets::Sockets;

/// What the notes API's tokens are for.
const NOTES_AUDIENCE: &str = "https://notes.demo.example";

/// Everything that runs.
pub struct World {
    /// Issues all tokens.
    pub authorization_server: AuthorizationServer,
    /// Behind the guard.
    pub mcp: SampleMcpServer,
    /// Behind the MCP server.
    pub notes: NotesApi,
    /// Bearward's events.
    pub observer: Observer,
    /// The guarded resource, as clients call it.
    pub resource: String,
    /// The admin listener's base URL.
    pub admin: String,
    /// The configuration Bearward runs on.
    pub config: String,
    bearward: Background,
}

impl World {
    /// Starts everything on free ports.
    ///
    /// # Errors
    /// When a port cannot be bound, or Bearward refuses its own configuration.
    pub async fn start() -> io::Result<Self> {
        let (client_secret, tenant_secret) = (random_text(), random_text());
        let authorization_server = AuthorizationServer::builder()
            .client(
                Client::new("bearward", ClientAuth::SecretBasic(client_secret.clone()))
                    .audiences(&[NOTES_AUDIENCE]),
            )
            .user(User::new("alice", "wonderland").claim("org_id", "acme"))
            .start()
            .await?;
        let issuer = authorization_server.issuer();
        let notes = NotesApi::builder(&issuer, NOTES_AUDIENCE).tenant_secret(&tenant_secret).start().await?;
        let sockets = Sockets {
            admin_socket: None,
            listen: free().await?,
            admin: free().await?,
            egress: Some(bearward_gateway::listener::Listener::Tcp(free().await?)),
        };
        let egress = match &sockets.egress {
            Some(bearward_gateway::listener::Listener::Tcp(listener)) => listener.local_addr()?,
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let mcp = SampleMcpServer::builder().notes(&format!("http://{egress}/notes-api")).start().await?;
        let (listen, admin) = (sockets.listen.local_addr()?, sockets.admin.local_addr()?);
        let resource = format!("http://{listen}/mcp");
        let config = config(&Parts {
            listen: listen.to_string(),
            admin: admin.to_string(),
            egress: egress.to_string(),
            issuer,
            notes: notes.url(),
            upstream: mcp.url(),
            resource: resource.clone(),
        });
        let environment = [("DEMO_CLIENT_SECRET", client_secret), ("DEMO_TENANT_SECRET", tenant_secret)];
        let environment = Environment::new(environment.map(|(name, value)| (name.to_owned(), value)));
        let observer = Observer::new();
        let bearward = Background::start(&config, environment, observer.clone(), sockets).await?;
        let admin = format!("http://{admin}");
        Ok(Self { authorization_server, mcp, notes, observer, resource, admin, config, bearward })
    }

    /// A token that opens the guard.
    pub fn token(&self) -> String {
        self.authorization_server.token_for(&self.resource).scope("mcp").claim("org_id", "acme").build()
    }

    /// Stops everything, Bearward first, and waits for it.
    pub async fn stop(self) {
        self.bearward.stop().await;
        self.mcp.stop().await;
        self.notes.stop().await;
        self.authorization_server.stop().await;
    }
}

struct Parts {
    listen: String,
    admin: String,
    egress: String,
    issuer: String,
    notes: String,
    upstream: String,
    resource: String,
}

fn config(parts: &Parts) -> String {
    let Parts { listen, admin, egress, issuer, notes, upstream, resource } = parts;
    format!(
        "server:
  listen: {listen}
  admin: {admin}
  egress: {egress}
  drain: 1s
mcp:
  providers:
    - name: notes-api
      url: {notes}
      auth:
        grant: client_credentials
        authority: {issuer}
        audience: {NOTES_AUDIENCE}
        clientId: bearward
        clientSecret: {{env: DEMO_CLIENT_SECRET}}
        allowInsecure: true
      tenantHeaders: {{prefix: X-TB, secret: {{env: DEMO_TENANT_SECRET}}, constant: acme}}
guards:
  - resource: {resource}
    upstream: {{url: {upstream}}}
    realm: demo
    issuers:
      - issuer: {issuer}
    scopes: {{required: [mcp]}}
"
    )
}

/// A listener on a free port of this machine.
pub(super) async fn free() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await
}

/// A secret of the demo's own.
pub(super) fn random_text() -> String {
    format!("{:016x}{:016x}", random_seed(), random_seed())
}
