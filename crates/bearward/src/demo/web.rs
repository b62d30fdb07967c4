//! The cast of `bearward demo --web`: a web application with an agent, two MCP servers of its authority, and a foreign one.

use std::io;
use std::net::SocketAddr;

use bearward_client::{Choice, Provider};
use bearward_example_bff::{Called, Settings, serve};
use bearward_observe::Observer;
use bearward_testbed::AuthorizationServer;
use bearward_testbed::authorization_server::{Client, ClientAuth, User};
use bearward_testbed::mcp::SampleMcpServer;
use bearward_token::{Authority, Issuer, Origin};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::world::{free, random_text};
use crate::background::Background;
use crate::config::Environment;
use crate::sockets::Sockets;

/// Who can sign in.
pub const USER: &str = "alice";
/// With this.
pub const PASSWORD: &str = "wonderland";
/// Whose tokens the foreign provider takes.
const PARTNER: &str = "https://idp.partner.example";

/// Everything that runs.
pub struct WebWorld {
    /// Signs users in, and issues all tokens.
    pub issuer: AuthorizationServer,
    /// Behind a guard; takes the tokens of the sign-in.
    pub calendar: SampleMcpServer,
    /// Behind a guard; takes tokens that are got for those.
    pub documents: SampleMcpServer,
    /// Takes whatever it gets, and must get nothing.
    pub partner: SampleMcpServer,
    /// Bearward's events.
    pub observer: Observer,
    /// Where browsers reach the application.
    pub application: String,
    /// The admin listener's base URL.
    pub admin: String,
    /// The configuration Bearward runs on.
    pub config: String,
    bearward: Background,
    pages: (oneshot::Sender<()>, JoinHandle<()>),
}

impl WebWorld {
    /// Starts everything, the application at `address`, or on a free port.
    ///
    /// # Errors
    /// When a port cannot be bound, or Bearward refuses its own configuration.
    pub async fn start(address: Option<SocketAddr>) -> io::Result<Self> {
        let front = match address {
            Some(address) => here(address).await?,
            None => free().await?,
        };
        let sockets =
            Sockets { admin_socket: None, listen: free().await?, admin: free().await?, egress: None };
        let (listen, admin) = (sockets.listen.local_addr()?, sockets.admin.local_addr()?);
        let (application, bearward) = (format!("http://{}", front.local_addr()?), format!("http://{listen}"));
        let (calendar_uri, documents_uri) = (format!("{bearward}/calendar"), format!("{bearward}/documents"));
        let secret = random_text();
        let client = Client::new("web-app", ClientAuth::SecretBasic(secret.clone()))
            .redirect_uri(&format!("{application}/auth/callback"))
            .audiences(&[&calendar_uri, &documents_uri]);
        let user = User::new(USER, PASSWORD).claim("name", "Alice");
        let issuer = AuthorizationServer::builder().client(client).user(user).start().await?;
        let (calendar, documents, partner) = (server().await?, server().await?, server().await?);
        let config = config(&Parts {
            listen: listen.to_string(),
            admin: admin.to_string(),
            application: &application,
            bearward: &bearward,
            issuer: issuer.issuer(),
            calendar: calendar.url(),
            documents: documents.url(),
            partner: origin_of(&partner.url()),
        });
        let environment = Environment::new([("DEMO_CLIENT_SECRET".to_owned(), secret)]);
        let observer = Observer::new();
        let running = Background::start(&config, environment, observer.clone(), sockets).await?;
        let settings = settings(&bearward, &issuer.issuer(), &partner.url())?;
        let (stop, stopped) = oneshot::channel();
        let pages = tokio::spawn(async move {
            let stop = async {
                // A sender that is gone means the same.
                let _ = stopped.await;
            };
            if let Err(error) = serve(front, settings, stop).await {
                tracing::error!(%error, "the web application has ended");
            }
        });
        Ok(Self {
            issuer,
            calendar,
            documents,
            partner,
            observer,
            application,
            admin: format!("http://{admin}"),
            config,
            bearward: running,
            pages: (stop, pages),
        })
    }

    /// Stops everything, the application first, and waits for it.
    pub async fn stop(self) {
        let (stop, pages) = self.pages;
        // It may have ended already.
        let _ = stop.send(());
        let _ = pages.await;
        self.bearward.stop().await;
        for server in [self.calendar, self.documents, self.partner] {
            server.stop().await;
        }
        self.issuer.stop().await;
    }
}

/// On this machine alone: everybody else could sign in as the demo's user.
async fn here(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_loopback() {
        return Err(io::Error::other(format!(
            "{address} could be reached from other machines: use 127.0.0.1"
        )));
    }
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    TcpListener::bind(address).await.map_err(named)
}

async fn server() -> io::Result<SampleMcpServer> {
    SampleMcpServer::builder().start().await
}

/// What the application's agent calls. It trusts Bearward to say which providers are of one authority, and asks itself, too.
fn settings(bearward: &str, issuer: &str, partner: &str) -> io::Result<Settings> {
    let own: Issuer = issuer.parse().map_err(io::Error::other)?;
    let foreign: Issuer = PARTNER.parse().map_err(io::Error::other)?;
    let called = |name: &str, url: String, issuer: &Issuer| -> io::Result<Called> {
        let origin: Origin = origin_of(&url).parse().map_err(io::Error::other)?;
        let provider = Provider {
            name: name.into(),
            authority: Authority::of_issuer(issuer.clone()),
            origins: vec![origin],
            audience: url.as_str().into(),
            audiences: Vec::new(),
            allow_insecure: true,
            choice: Choice::default(),
        };
        Ok(Called { provider, url })
    };
    Ok(Settings {
        bearward: bearward.to_owned(),
        cookie: "dev-session".into(),
        authority: Authority::of_issuer(own.clone()),
        providers: vec![
            called("calendar", format!("{bearward}/calendar"), &own)?,
            called("documents", format!("{bearward}/documents"), &own)?,
            called("partner", partner.to_owned(), &foreign)?,
        ],
    })
}

fn origin_of(url: &str) -> String {
    url.split('/').take(3).collect::<Vec<_>>().join("/")
}

struct Parts<'a> {
    listen: String,
    admin: String,
    application: &'a str,
    bearward: &'a str,
    issuer: String,
    calendar: String,
    documents: String,
    partner: String,
}

fn config(parts: &Parts<'_>) -> String {
    let Parts { listen, admin, application, bearward, issuer, calendar, documents, partner } = parts;
    format!(
        "server:
  listen: {listen}
  admin: {admin}
  trustedProxies: [127.0.0.1]     # the application, which sends /auth/… on
  drain: 1s
default:
  mcp:
    reuseAuthorizer: true
    storage: {{refresh: memory}}    # everybody is signed out when the demo ends
broker:
  issuer: {issuer}
  clientId: web-app
  clientSecret: {{env: DEMO_CLIENT_SECRET}}
  publicUrl: {application}
  scopes: [openid, profile, offline_access]
  resource: {bearward}/calendar
  afterLogout: {application}/
mcp:
  providers:
    - name: calendar              # takes the tokens of the sign-in
      auth: {{resource: {bearward}/calendar, origins: [{bearward}], allowInsecure: true}}
    - name: documents             # takes others, which the login gets as well
      auth: {{resource: {bearward}/documents, via: refresh_token, origins: [{bearward}], allowInsecure: true}}
    - name: partner               # takes tokens of somebody else
      auth: {{authority: {PARTNER}, audience: partner, origins: [{partner}], allowInsecure: true}}
guards:
  - resource: {bearward}/calendar
    upstream: {{url: {calendar}}}
    issuers: [{{issuer: {issuer}}}]
    identity: {{headers: {{X-User: sub}}}}
  - resource: {bearward}/documents
    upstream: {{url: {documents}}}
    issuers: [{{issuer: {issuer}}}]
    identity: {{headers: {{X-User: sub}}}}
"
    )
}
