//! The sample MCP server: Streamable HTTP on `rmcp`, revisions 2025-06-18 to 2026-07-28, a few tools.
//!
//! It holds no token. Two of its tools call the notes API over plain HTTP through whatever base URL it was
//! given, as a program does that leaves its credentials to a sidecar.

mod tools;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio_util::sync::CancellationToken;

use crate::served::Served;
use tools::SampleTools;

/// Most requests that are remembered.
const REMEMBERED: usize = 10_000;

/// The running server. Stops when dropped.
#[derive(Debug)]
pub struct SampleMcpServer {
    state: Arc<McpState>,
    served: Served,
    stop: CancellationToken,
}

/// What becomes a server.
#[derive(Debug)]
pub struct Builder {
    address: SocketAddr,
    notes: Option<String>,
}

#[derive(Debug, Default)]
struct McpState {
    received: Mutex<Vec<HeaderMap>>,
    refusals: AtomicU32,
    refuse_with: Mutex<StatusCode>,
    /// Calls of `wait_for_cancel` that were cancelled.
    cancelled: AtomicU32,
}

impl SampleMcpServer {
    /// A server on a free port.
    pub fn builder() -> Builder {
        Builder { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), notes: None }
    }

    /// The URL of its one endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.served.address())
    }

    /// The headers of every request that arrived, oldest first.
    pub fn received(&self) -> Vec<HeaderMap> {
        self.state.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Refuses the next requests with this status.
    pub fn refuse_next(&self, times: u32, status: StatusCode) {
        *self.state.refuse_with.lock().unwrap_or_else(PoisonError::into_inner) = status;
        self.state.refusals.store(times, Ordering::SeqCst);
    }

    /// How many calls of `wait_for_cancel` ended because their caller went away.
    pub fn cancelled(&self) -> u32 {
        self.state.cancelled.load(Ordering::SeqCst)
    }

    /// Stops, and waits until its port is free again.
    pub async fn stop(self) {
        self.stop.cancel();
        self.served.stop().await;
    }
}

impl Builder {
    /// Its tools call the notes API here.
    #[must_use]
    pub fn notes(mut self, base_url: &str) -> Self {
        self.notes = Some(base_url.trim_end_matches('/').into());
        self
    }

    /// Listens here instead of on a free port.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Binds and serves.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(self) -> io::Result<SampleMcpServer> {
        let state = Arc::new(McpState::default());
        let stop = CancellationToken::new();
        let config = StreamableHttpServerConfig::default()
            // Short, because a server notices a caller's absence when it next writes.
            .with_sse_keep_alive(Some(Duration::from_millis(500)))
            .with_cancellation_token(stop.child_token());
        let tools = SampleTools::new(self.notes, state.clone());
        let service = StreamableHttpService::new(
            move || Ok(tools.clone()),
            Arc::new(LocalSessionManager::default()),
            config,
        );
        let router = Router::new()
            .nest_service("/mcp", service)
            .layer(from_fn_with_state(state.clone(), watch))
            .with_state(state.clone());
        Ok(SampleMcpServer { state, served: Served::start(self.address, router).await?, stop })
    }
}

/// Middleware: remembers the request, refuses it if that was asked for.
async fn watch(State(state): State<Arc<McpState>>, request: Request, next: Next) -> Response {
    {
        let mut received = state.received.lock().unwrap_or_else(PoisonError::into_inner);
        if received.len() < REMEMBERED {
            received.push(request.headers().clone());
        }
    }
    let refused = state.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if refused.is_ok() {
        return state.refuse_with.lock().unwrap_or_else(PoisonError::into_inner).into_response();
    }
    next.run(request).await
}
