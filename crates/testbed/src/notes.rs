//! The sample notes API: what stands behind an MCP server in real life.
//!
//! It wants an RS256 token of its own issuer for its own audience, and signed tenant headers; each tenant
//! has its own notes. It knows nothing of MCP.

mod keys;
mod pages;
mod tenant;
mod verify;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bearward_token::{Clock, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::served::Served;
use tenant::TenantCheck;
use verify::{Checks, TokenCheck};

/// Most accepted requests that are remembered; older ones are forgotten first.
const REMEMBERED: usize = 10_000;

/// The running API. Stops when dropped.
#[derive(Debug)]
pub struct NotesApi {
    state: Arc<NotesState>,
    served: Served,
}

/// What becomes an API.
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
    seen: Mutex<VecDeque<Seen>>,
    assertions: Mutex<Vec<String>>,
    refusals: AtomicU32,
    refuse_with: Mutex<StatusCode>,
}

impl NotesApi {
    /// An API that takes tokens of `issuer` for `audience`. The issuer need not be up before the first
    /// token arrives.
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

    /// What the latest 10,000 accepted requests said, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// What came in `X-Bearward-Identity`, oldest first, with refused requests too; the first thousand.
    pub fn assertions(&self) -> Vec<String> {
        self.state.assertions.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

    /// Its idea of time: for the lifetime of tokens, for the tenant headers' window, and for how often it
    /// asks for keys.
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
        let token = TokenCheck::new(self.issuer, self.audience, self.clock.clone())?;
        let tenant = TenantCheck::new(&self.tenant_prefix, &self.tenant_secret, self.clock);
        let state = Arc::new(NotesState {
            checks: Checks { token, tenant },
            notes: Mutex::default(),
            seen: Mutex::default(),
            assertions: Mutex::default(),
            refusals: AtomicU32::new(0),
            refuse_with: Mutex::new(StatusCode::UNAUTHORIZED),
        });
        let router = pages::router(&state);
        Ok(NotesApi { state, served: Served::start(self.address, router).await? })
    }
}

/// Without the tenant secret.
impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("address", &self.address)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// Middleware: who calls, or why not.
async fn admit(State(state): State<Arc<NotesState>>, mut request: Request, next: Next) -> Response {
    state.remember_assertion(request.headers());
    let left = state.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if left.is_ok() {
        let status = *state.refuse_with.lock().unwrap_or_else(PoisonError::into_inner);
        return (status, Json(json!({"error": "refused", "message": "as the test wanted"}))).into_response();
    }
    match state.checks.caller(request.headers()).await {
        Ok(caller) => {
            state.remember(caller.seen());
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

impl NotesState {
    fn remember_assertion(&self, headers: &HeaderMap) {
        const MOST: usize = 1_000;
        let Some(assertion) = headers.get("x-bearward-identity").and_then(|value| value.to_str().ok()) else {
            return;
        };
        let mut assertions = self.assertions.lock().unwrap_or_else(PoisonError::into_inner);
        if assertions.len() < MOST {
            assertions.push(assertion.to_owned());
        }
    }

    fn remember(&self, caller: Seen) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() == REMEMBERED {
            seen.pop_front();
        }
        seen.push_back(caller);
    }
}
