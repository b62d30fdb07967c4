//! The sample MCP server: Streamable HTTP on `rmcp`, revisions 2025-06-18 to 2026-07-28, a few tools.
//!
//! It holds no token. Two of its tools call the notes API over plain HTTP through whatever base URL it was
//! given, as a program does that leaves its credentials to a sidecar.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use bearward_testbed::mcp::SampleMcpServer;
//! let server = SampleMcpServer::builder().require_bearer(|token| token == "ours").start().await?;
//! println!("{}", server.url());
//! # Ok(()) }
//! ```

mod gate;
mod handler;
mod headers;
mod tools;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::served::Served;
use gate::{Bearer, Gate};
use tools::SampleTools;

/// How often an open stream is written to. Short, because a server notices a caller's absence when it
/// next writes.
const KEEP_ALIVE: Duration = Duration::from_millis(500);

/// How long the notes API may take to answer a tool.
const NOTES_TIMEOUT: Duration = Duration::from_secs(20);

/// The running server. Stops when dropped.
#[derive(Debug)]
pub struct SampleMcpServer {
    gate: Arc<Gate>,
    waits: Arc<Waits>,
    served: Served,
    /// Sessions are tasks of their own and outlive the listener, unless they are told.
    stop: DropGuard,
}

/// What becomes a server.
#[derive(Debug)]
pub struct Builder {
    address: SocketAddr,
    notes: Option<String>,
    bearer: Option<Bearer>,
}

/// Calls of `wait_for_cancel`, now and so far.
#[derive(Debug, Default)]
struct Waits {
    waiting: AtomicU32,
    cancelled: AtomicU32,
}

impl SampleMcpServer {
    /// A server on a free port, which lets everybody in.
    pub fn builder() -> Builder {
        Builder { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), notes: None, bearer: None }
    }

    /// The URL of its one endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.served.address())
    }

    /// The headers of the latest 10,000 requests that arrived, oldest first, refused ones included. What
    /// is secret in them can be read, and is left out of their `Debug`.
    pub fn received(&self) -> Vec<HeaderMap> {
        self.gate.received()
    }

    /// Refuses the next requests with this status, at the level of HTTP.
    pub fn refuse_next(&self, times: u32, status: StatusCode) {
        self.gate.refuse_next(times, status);
    }

    /// How many calls of `wait_for_cancel` wait at this moment.
    pub fn waiting(&self) -> u32 {
        self.waits.waiting.load(Ordering::SeqCst)
    }

    /// How many calls of `wait_for_cancel` ended because their caller went away. For a session that takes
    /// a `notifications/cancelled`; a lost connection alone could be taken up again (MCP 2025-11-25,
    /// transports).
    pub fn cancelled(&self) -> u32 {
        self.waits.cancelled.load(Ordering::SeqCst)
    }

    /// Stops, and waits until its port is free again.
    pub async fn stop(self) {
        drop(self.stop);
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

    /// Answers 401 unless there is exactly one `Authorization: Bearer` whose token `accepts` likes.
    #[must_use]
    pub fn require_bearer(mut self, accepts: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.bearer = Some(Bearer::new(accepts));
        self
    }

    /// Binds and serves.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(self) -> io::Result<SampleMcpServer> {
        let (gate, waits) = (Arc::new(Gate::new(self.bearer)), Arc::new(Waits::default()));
        let stop = CancellationToken::new();
        let config = StreamableHttpServerConfig::default()
            .with_sse_keep_alive(Some(KEEP_ALIVE))
            .with_cancellation_token(stop.child_token());
        // Neither a proxy of the environment nor a redirect may stand between it and its base URL.
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(NOTES_TIMEOUT)
            .build()
            .map_err(io::Error::other)?;
        let tools = SampleTools::new(self.notes, client, waits.clone());
        let service = StreamableHttpService::new(
            move || Ok(tools.clone()),
            Arc::new(LocalSessionManager::default()),
            config,
        );
        let router =
            Router::new().nest_service("/mcp", service).layer(from_fn_with_state(gate.clone(), gate::pass));
        let served = Served::start(self.address, router).await?;
        Ok(SampleMcpServer { gate, waits, served, stop: stop.drop_guard() })
    }
}
