//! The sample notes API: what stands behind an MCP server in real life.
//!
//! It wants an RS256 token of its own issuer for its own audience, and signed tenant headers; each tenant
//! has its own notes. It knows nothing of MCP.

mod verify;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bearward_token::{Clock, SystemClock};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::served::Served;
use verify::{Caller, Checks};

/// The running API. Stops when dropped.
#[derive(Debug)]
pub struct NotesApi {
    state: Arc<NotesState>,
    served: Served,
}

/// What becomes an API.
#[derive(Debug)]
pub struct Builder {
    address: SocketAddr,
    issuer: String,
    audience: String,
    tenant_prefix: String,
    tenant_secret: String,
    clock: Arc<dyn Clock>,
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its title.
    pub title: String,
    /// Its text.
    #[serde(default)]
    pub text: String,
}

/// What one request said about its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `sub` of the token.
    pub subject: String,
    /// The tenant.
    pub tenant: String,
    /// SHA-256 of the token, in hex.
    pub token_sha256: String,
}

#[derive(Debug)]
struct NotesState {
    checks: Checks,
    notes: Mutex<BTreeMap<String, Vec<Note>>>,
    seen: Mutex<Vec<Seen>>,
    refusals: AtomicU32,
    refuse_with: Mutex<StatusCode>,
}

impl NotesApi {
    /// An API that takes tokens of `issuer` for `audience`.
    pub fn builder(issuer: &str, audience: &str) -> Builder {
        Builder {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            issuer: issuer.into(),
            audience: audience.into(),
            tenant_prefix: "X-TB".into(),
            tenant_secret: "tenant-secret".into(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.served.address())
    }

    /// What accepted requests said, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Refuses the next requests with this status, whatever they carry.
    pub fn refuse_next(&self, times: u32, status: StatusCode) {
        *self.state.refuse_with.lock().unwrap_or_else(PoisonError::into_inner) = status;
        self.state.refusals.store(times, Ordering::SeqCst);
    }

    /// Stops, and waits until its port is free again.
    pub async fn stop(self) {
        self.served.stop().await;
    }
}

impl Builder {
    /// Verifies tenant headers with this key.
    #[must_use]
    pub fn tenant_secret(mut self, secret: &str) -> Self {
        self.tenant_secret = secret.into();
        self
    }

    /// Tenant headers begin so.
    #[must_use]
    pub fn tenant_prefix(mut self, prefix: &str) -> Self {
        self.tenant_prefix = prefix.into();
        self
    }

    /// Listens here instead of on a free port.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Its idea of time, for the tenant headers' window.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Binds and serves.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(self) -> io::Result<NotesApi> {
        let state = Arc::new(NotesState {
            checks: Checks::new(
                self.issuer,
                self.audience,
                self.tenant_prefix,
                &self.tenant_secret,
                self.clock,
            ),
            notes: Mutex::default(),
            seen: Mutex::default(),
            refusals: AtomicU32::new(0),
            refuse_with: Mutex::new(StatusCode::UNAUTHORIZED),
        });
        let router = Router::new()
            .route("/notes", get(list).post(add))
            .route("/echo", post(echo))
            .route("/stream", get(stream))
            .layer(from_fn_with_state(state.clone(), admit))
            .with_state(state.clone());
        Ok(NotesApi { state, served: Served::start(self.address, router).await? })
    }
}

/// Middleware: who calls, or why not.
async fn admit(State(state): State<Arc<NotesState>>, mut request: Request, next: Next) -> Response {
    let refused = state.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if refused.is_ok() {
        let status = *state.refuse_with.lock().unwrap_or_else(PoisonError::into_inner);
        return (status, Json(json!({"error": "refused", "message": "as the test wanted"}))).into_response();
    }
    match state.checks.caller(request.headers()).await {
        Ok(caller) => {
            state.seen.lock().unwrap_or_else(PoisonError::into_inner).push(caller.seen());
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn list(State(state): State<Arc<NotesState>>, Extension(caller): Extension<Caller>) -> Json<Vec<Note>> {
    let notes = state.notes.lock().unwrap_or_else(PoisonError::into_inner);
    Json(notes.get(&caller.tenant).cloned().unwrap_or_default())
}

async fn add(
    State(state): State<Arc<NotesState>>,
    Extension(caller): Extension<Caller>,
    Json(note): Json<Note>,
) -> (StatusCode, Json<Note>) {
    let mut notes = state.notes.lock().unwrap_or_else(PoisonError::into_inner);
    notes.entry(caller.tenant).or_default().push(note.clone());
    (StatusCode::CREATED, Json(note))
}

/// Length and hash of what came, to prove that it came whole.
async fn echo(headers: HeaderMap, body: Bytes) -> Json<serde_json::Value> {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let length = headers.get("content-length").and_then(|value| value.to_str().ok());
    Json(json!({"length": body.len(), "sha256": hex::encode(hash), "contentLength": length}))
}

#[derive(Deserialize)]
struct Pace {
    n: u32,
    interval_ms: u64,
}

/// Sends one line at a time, to prove that nothing waits in a buffer.
async fn stream(Query(pace): Query<Pace>) -> Body {
    let lines = futures_util::stream::unfold(0, move |at| async move {
        if at == pace.n {
            return None;
        }
        if at > 0 {
            tokio::time::sleep(Duration::from_millis(pace.interval_ms)).await;
        }
        Some((Ok::<_, io::Error>(Bytes::from(format!("line {at}\n"))), at + 1))
    });
    Body::from_stream(lines)
}
