//! The admin listener: metrics, health and readiness.
//!
//! | path | answers |
//! | --- | --- |
//! | `/healthz` | 200 while the process is alive |
//! | `/readyz` | 200 when every part can do its work, else 503; JSON names each part and its reason |
//! | `/metrics` | OpenMetrics text |
//! | `/api/cache` | POST: whether a guard remembers a token, named by its hash |
//! | `/api/revocations` | GET: all; POST, DELETE: one, as JSON |

mod cache;
mod revocations;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

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
use tokio::net::TcpListener;

/// What the admin pages show.
#[derive(Clone)]
pub struct Console {
    /// Metrics come from here.
    pub observer: Observer,
    /// Readiness comes from here.
    pub health: Health,
    /// What is guarded.
    pub guards: Arc<[Arc<Guard>]>,
    /// What is revoked.
    pub revocations: Arc<Revocations>,
    /// Which pages and names may use the API.
    pub browser: BrowserRules,
    /// Who may use it: whoever has this token; without one, this machine alone.
    pub token: Option<ClientSecret>,
}

impl Console {
    /// The routes.
    pub fn router(self) -> Router {
        let api = revocations::routes(self.revocations.clone()).merge(cache::routes(self.guards.clone()));
        let api = api
            .layer(from_fn_with_state(self.token.clone(), keep_strangers_out))
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
        let service = self.router().into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).with_graceful_shutdown(shutdown).await
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
    State(token): State<Option<ClientSecret>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.strip_prefix("Bearer ")).map(ClientSecret::new);
    let is_operator = match &token {
        // Compared in constant time.
        Some(token) => shown.as_ref() == Some(token),
        None => peer.ip().to_canonical().is_loopback(),
    };
    if is_operator {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"admin\"")];
    let words = "this is for operators: from this machine, or with the token of `server.adminToken`\n";
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
