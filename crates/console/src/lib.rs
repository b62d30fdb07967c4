//! The admin listener: metrics, health and readiness.
//!
//! | path | answers |
//! | --- | --- |
//! | `/healthz` | 200 while the process is alive |
//! | `/readyz` | 200 when every part can do its work, else 503; JSON names each part and its reason |
//! | `/metrics` | OpenMetrics text |
//! | `/api/cache` | POST: whether a guard remembers a token, named by its hash |
//! | `/api/revocations` | GET: all; POST, DELETE: one, as JSON |
//! | `/api/providers/{name}/token` | POST: its token, for who may have it |
//! | `/api/providers/{name}/logout` | POST: ends its login |
//!
//! There are two doors: a TCP listener, and a unix socket that is its owner's alone. A token is handed out through the
//! socket, or to who shows `server.adminToken`: that one is on this machine is not enough.

mod cache;
pub mod providers;
mod revocations;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::rejection::ExtensionRejection;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bearward_gateway::browser::BrowserRules;
use bearward_guard::{Guard, Revocations};
use bearward_observe::metrics::CONTENT_TYPE;
use bearward_observe::{Health, Observer};
use bearward_token::ClientSecret;
pub use providers::Supplies;
use tokio::net::{TcpListener, UnixListener};

/// What the admin pages show.
#[derive(Clone)]
pub struct Console {
    /// Metrics come from here.
    pub observer: Observer,
    /// Readiness comes from here.
    pub health: Health,
    /// What is guarded.
    pub guards: Arc<[Arc<Guard>]>,
    /// What is supplied.
    pub supplies: Supplies,
    /// What is revoked.
    pub revocations: Arc<Revocations>,
    /// Which pages and names may use the API.
    pub browser: BrowserRules,
    /// Who may use it: whoever has this token; without one, this machine alone.
    pub token: Option<ClientSecret>,
}

/// Through which a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A TCP listener: others may be on this machine, too.
    Tcp,
    /// A unix socket, which its owner alone can open.
    Socket,
}

/// Who may do what.
#[derive(Clone)]
struct Keys {
    door: Door,
    token: Option<ClientSecret>,
}

impl Console {
    /// The routes.
    pub fn router(self, door: Door) -> Router {
        let keys = Keys { door, token: self.token.clone() };
        let tokens = providers::routes(self.supplies.clone());
        let tokens = tokens.layer(from_fn_with_state(keys.clone(), keep_tokens_in));
        let api = revocations::routes(self.revocations.clone()).merge(cache::routes(self.guards.clone()));
        let api = api
            .merge(tokens)
            .layer(from_fn_with_state(keys, keep_strangers_out))
            .layer(from_fn_with_state(self.browser.clone(), keep_pages_out));
        Router::new()
            .route("/healthz", get(|| async { "alive\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self)
            .merge(api)
    }

    /// Serves until `shutdown` completes.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let service = self.router(Door::Tcp).into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).with_graceful_shutdown(shutdown).await
    }

    /// Serves the operators of this machine until it is dropped.
    ///
    /// # Errors
    /// When the socket fails for good.
    pub async fn serve_socket(self, listener: UnixListener) -> io::Result<()> {
        axum::serve(listener, self.router(Door::Socket)).await
    }
}

/// A page of another site could make a browser send what only an operator may.
async fn keep_pages_out(State(rules): State<BrowserRules>, request: Request, next: Next) -> Response {
    match rules.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(_) => (StatusCode::FORBIDDEN, "this origin or host is not allowed here\n").into_response(),
    }
}

/// What is revoked, and what is brought back, is an operator's word. Metrics and health are read by others, too, so that
/// the listener may well be open to them.
async fn keep_strangers_out(
    State(keys): State<Keys>,
    peer: Result<ConnectInfo<SocketAddr>, ExtensionRejection>,
    request: Request,
    next: Next,
) -> Response {
    let is_operator = match (keys.door, &keys.token) {
        (Door::Socket, _) => true,
        (Door::Tcp, Some(token)) => shows(&request, token),
        (Door::Tcp, None) => peer.is_ok_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback()),
    };
    if is_operator {
        return next.run(request).await;
    }
    unauthorized("this is for operators: from this machine, or with the token of `server.adminToken`\n")
}

/// A token is worth more than what an operator may do otherwise: any program on this machine may open a port.
async fn keep_tokens_in(State(keys): State<Keys>, request: Request, next: Next) -> Response {
    let is_operator = match (keys.door, &keys.token) {
        (Door::Socket, _) => true,
        (Door::Tcp, Some(token)) => shows(&request, token),
        (Door::Tcp, None) => false,
    };
    if is_operator {
        return next.run(request).await;
    }
    unauthorized(
        "tokens are for who can open `server.adminSocket`, or shows the token of `server.adminToken`\n",
    )
}

/// Compared in constant time.
fn shows(request: &Request, token: &ClientSecret) -> bool {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.strip_prefix("Bearer ")).map(ClientSecret::new);
    shown.as_ref() == Some(token)
}

fn unauthorized(words: &'static str) -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"admin\"")];
    (StatusCode::UNAUTHORIZED, challenge, words).into_response()
}

async fn readyz(State(console): State<Console>) -> Response {
    let report = console.health.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

async fn metrics(State(console): State<Console>) -> Response {
    // Probes keep the gauges of their parts current.
    console.health.report();
    match console.observer.metrics().render() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
