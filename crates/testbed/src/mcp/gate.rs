//! What happens to a request before MCP sees it: it is remembered, and refused if that was asked for.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::headers::is_secret;

/// Most requests that are remembered; older ones are forgotten first.
const REMEMBERED: usize = 10_000;

/// The state of the middleware.
#[derive(Debug)]
pub(super) struct Gate {
    received: Mutex<VecDeque<HeaderMap>>,
    refusals: AtomicU32,
    refuse_with: Mutex<StatusCode>,
    bearer: Option<Bearer>,
}

/// Which tokens open the gate.
pub(super) struct Bearer(Box<dyn Fn(&str) -> bool + Send + Sync>);

impl Gate {
    pub(super) fn new(bearer: Option<Bearer>) -> Self {
        Self {
            received: Mutex::default(),
            refusals: AtomicU32::new(0),
            refuse_with: Mutex::new(StatusCode::UNAUTHORIZED),
            bearer,
        }
    }

    pub(super) fn received(&self) -> Vec<HeaderMap> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(super) fn refuse_next(&self, times: u32, status: StatusCode) {
        *self.refuse_with.lock().unwrap_or_else(PoisonError::into_inner) = status;
        self.refusals.store(times, Ordering::SeqCst);
    }

    fn remember(&self, headers: &HeaderMap) {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        if received.len() == REMEMBERED {
            received.pop_front();
        }
        received.push_back(headers.clone());
    }

    /// The status of a refusal that a test asked for.
    fn refusal(&self) -> Option<StatusCode> {
        let left = self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.ok().map(|_| *self.refuse_with.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Bearer {
    pub(super) fn new(accepts: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Box::new(accepts))
    }

    fn accepts(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        value.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).is_some_and(|token| self.0(token))
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer")
    }
}

/// The middleware.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    hide_secrets(request.headers_mut());
    gate.remember(request.headers());
    if let Some(status) = gate.refusal() {
        return refused(status);
    }
    if gate.bearer.as_ref().is_some_and(|bearer| !bearer.accepts(request.headers())) {
        return refused(StatusCode::UNAUTHORIZED);
    }
    next.run(request).await
}

/// Keeps secrets out of the `Debug` of headers, here and in everything behind (HARD 20).
fn hide_secrets(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if is_secret(name.as_str()) {
            value.set_sensitive(true);
        }
    }
}

fn refused(status: StatusCode) -> Response {
    let mut answer = status.into_response();
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

#[cfg(test)]
mod tests;
