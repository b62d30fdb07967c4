//! An authorization server good enough to be mistaken for a real one, with faults on demand.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use bearward_testbed::authorization_server::{AuthorizationServer, Client, ClientAuth};
//! let server = AuthorizationServer::builder()
//!     .client(Client::new("gateway", ClientAuth::SecretBasic("s3cret".into())))
//!     .start()
//!     .await?;
//! let token = server.token_for("https://mcp.example.com/mcp").scope("mcp").build();
//! # Ok(()) }
//! ```

mod authenticate;
mod authorize;
mod claims;
mod clients;
mod control;
mod counts;
mod faults;
mod grants;
mod introspect;
mod keyring;
mod metadata;
mod refresh;
mod token;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use bearward_token::{Clock, SystemClock};

pub use clients::{Client, ClientAuth, User};
pub use counts::{Asked, Counts};
pub use faults::{Fault, Faults, Place, TokenShape};
pub use keyring::Keyring;

use crate::keys::{Algorithm, SigningKey};
use crate::mint::TokenBuilder;
use crate::served::Served;

/// A running server. Stops when dropped.
#[derive(Debug)]
pub struct AuthorizationServer {
    shared: Shared,
    served: Served,
}

/// What becomes a server.
#[derive(Debug)]
pub struct Builder {
    address: SocketAddr,
    issuer_path: String,
    clients: Vec<Client>,
    users: Vec<User>,
    lifetime: Duration,
    tokens: TokenFormat,
    keys: Option<Arc<Keyring>>,
    algorithm: Algorithm,
    clock: Arc<dyn Clock>,
}

/// What access tokens look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenFormat {
    /// Signed JWTs (RFC 9068).
    #[default]
    Jwt,
    /// Random strings, to be introspected.
    Opaque,
}

/// What all handlers share.
type Shared = Arc<ServerState>;

#[derive(Debug)]
struct ServerState {
    /// `http://127.0.0.1:port`.
    origin: String,
    /// Empty, or starts with `/`.
    issuer_path: String,
    clients: HashMap<String, Client>,
    users: HashMap<String, User>,
    lifetime: Duration,
    tokens: TokenFormat,
    keys: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    faults: Faults,
    counts: Counts,
    memory: Mutex<Memory>,
}

/// What the server must remember between requests.
#[derive(Debug, Default)]
struct Memory {
    codes: HashMap<String, authorize::Code>,
    refresh: refresh::Families,
    /// Access tokens of a login, `jti` → its family: they end with it.
    logins: HashMap<String, String>,
    /// Access tokens by `jti`, for introspection; opaque ones by themselves.
    opaque: HashMap<String, claims::Claims>,
    revoked: std::collections::HashSet<String>,
    used_assertions: std::collections::HashSet<String>,
}

impl AuthorizationServer {
    /// A server without clients or users, RS256, JWTs for one hour, on a free port.
    pub fn builder() -> Builder {
        Builder {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            issuer_path: String::new(),
            clients: Vec::new(),
            users: Vec::new(),
            lifetime: Duration::from_secs(3600),
            tokens: TokenFormat::Jwt,
            keys: None,
            algorithm: Algorithm::Rs256,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Its issuer identifier.
    pub fn issuer(&self) -> String {
        self.shared.issuer()
    }

    /// `http://127.0.0.1:port`.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.served.address()
    }

    /// Where tokens are asked for.
    pub fn token_endpoint(&self) -> String {
        self.shared.at("/token")
    }

    /// Where the keys are.
    pub fn jwks_uri(&self) -> String {
        self.shared.at("/jwks.json")
    }

    /// Its bad days.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What it was asked.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Its keys: rotate, withdraw, keep for a restart.
    pub fn keys(&self) -> &Arc<Keyring> {
        &self.shared.keys
    }

    /// A good access token of this server for an audience, to be bent and built.
    pub fn token_for(&self, audience: &str) -> TokenBuilder {
        TokenBuilder::new(&self.issuer(), self.shared.keys.current(), self.shared.now()).audience(audience)
    }

    /// The refresh token of a login that somebody did elsewhere; `None` when there is no such client or user.
    pub fn login(&self, client: &str, user: &str, scope: &str, audience: &str) -> Option<String> {
        let (client, user) = (self.shared.clients.get(client)?, self.shared.users.get(user)?);
        let held = refresh::Held {
            client: client.id.clone(),
            user: user.name.clone(),
            scope: scope.to_owned(),
            audiences: vec![audience.to_owned()],
            family: crate::random_id(),
        };
        let token = self.shared.memory().refresh.issue(held);
        self.shared.counts.remember(&token);
        Some(token)
    }

    /// Stops, and waits until its port is free again.
    pub async fn stop(self) {
        self.served.stop().await;
    }
}

impl Builder {
    /// Registers a client.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Registers a user.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Listens here instead of on a free port: for a restart.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// The issuer has a path, such as `/realms/acme`.
    #[must_use]
    pub fn issuer_path(mut self, path: &str) -> Self {
        self.issuer_path = path.trim_end_matches('/').into();
        self
    }

    /// How long access tokens live.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// What access tokens look like.
    #[must_use]
    pub fn token_format(mut self, format: TokenFormat) -> Self {
        self.tokens = format;
        self
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Keys of a former life.
    #[must_use]
    pub fn keys(mut self, keys: Arc<Keyring>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Its idea of time.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Binds and serves.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(self) -> io::Result<AuthorizationServer> {
        // The issuer's text holds the port, so the port must be known before the state is made.
        let listener = tokio::net::TcpListener::bind(self.address).await?;
        let address = listener.local_addr()?;
        let counts = Counts::default();
        for client in &self.clients {
            if let ClientAuth::SecretBasic(secret) | ClientAuth::SecretPost(secret) = &client.auth {
                counts.remember(secret);
            }
        }
        for user in &self.users {
            counts.remember(&user.password);
        }
        let algorithm = self.algorithm;
        let shared = Arc::new(ServerState {
            origin: format!("http://{address}"),
            issuer_path: self.issuer_path,
            clients: self.clients.into_iter().map(|client| (client.id.clone(), client)).collect(),
            users: self.users.into_iter().map(|user| (user.name.clone(), user)).collect(),
            lifetime: self.lifetime,
            tokens: self.tokens,
            keys: self.keys.unwrap_or_else(|| Arc::new(Keyring::new(SigningKey::generate(algorithm)))),
            clock: self.clock,
            faults: Faults::default(),
            counts,
            memory: Mutex::default(),
        });
        let served = Served::on(listener, router(&shared))?;
        Ok(AuthorizationServer { shared, served })
    }
}

impl ServerState {
    fn issuer(&self) -> String {
        format!("{}{}", self.origin, self.issuer_path)
    }

    /// The URL of one of its endpoints.
    fn at(&self, endpoint: &str) -> String {
        format!("{}{}{endpoint}", self.origin, self.issuer_path)
    }

    /// Seconds since the epoch, by its own clock with its own error.
    fn now(&self) -> u64 {
        self.clock.unix_seconds().saturating_add_signed(self.faults.shape().clock_skew_s)
    }

    /// Which place a path belongs to, for counting and for faults.
    fn place_of(&self, path: &str) -> Option<Place> {
        if path.contains("/.well-known/") {
            return Some(Place::Metadata);
        }
        match path.strip_prefix(self.issuer_path.as_str())? {
            "/token" => Some(Place::Token),
            "/jwks.json" => Some(Place::Jwks),
            "/introspect" => Some(Place::Introspection),
            "/revoke" => Some(Place::Revocation),
            "/authorize" => Some(Place::Authorize),
            "/userinfo" => Some(Place::Userinfo),
            _ => None,
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// By itself, or with the login it came of.
    fn is_revoked(&self, jti: &str) -> bool {
        let family = self.logins.get(jti);
        self.revoked.contains(jti) || family.is_some_and(|family| self.refresh.is_revoked(family))
    }
}

fn router(shared: &Shared) -> Router {
    let path = &shared.issuer_path;
    let at = |endpoint: &str| format!("{path}{endpoint}");
    let mut router = Router::new()
        .route(&at("/token"), post(token::endpoint))
        .route(&at("/jwks.json"), get(metadata::jwks))
        .route(&at("/authorize"), get(authorize::page).post(authorize::login))
        .route(&at("/introspect"), post(introspect::introspect))
        .route(&at("/revoke"), post(introspect::revoke))
        .route(&at("/userinfo"), get(introspect::userinfo))
        .route(&at("/logout"), get(authorize::end_session))
        .merge(control::routes());
    for well_known in metadata::paths(path) {
        router = router.route(&well_known, get(metadata::document));
    }
    router.layer(from_fn_with_state(shared.clone(), faults::strike)).with_state(shared.clone())
}
