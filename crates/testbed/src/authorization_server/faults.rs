//! Faults on demand: what an authorization server does on its bad days.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Shared;
use crate::raw::{Act, RawInstead};
use crate::served::CloseInstead;

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is the endpoint of its name")]
pub enum Place {
    Token,
    Jwks,
    Metadata,
    Introspection,
    Revocation,
    Authorize,
    Userinfo,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// The right answer, late: what it tells of has happened by then.
    Latency {
        /// By how much.
        ms: u64,
    },
    /// Another status, with this body.
    Status {
        /// The status.
        status: u16,
        /// The body, sent as JSON when it looks like it.
        #[serde(default)]
        body: String,
        /// `Retry-After`, as written.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// The connection closes without an answer.
    Reset,
    /// The right answer breaks off in the middle.
    HalfSent,
    /// Status 200 with this body instead of the right one.
    Body {
        /// The body: HTML, nothing, half of a JSON document.
        body: String,
    },
    /// A whole answer, sound as HTTP.
    Answer {
        /// Its status; none below 200, which [`Fault::Raw`] can send.
        status: u16,
        /// Its headers, as written; a name may stand twice.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// Its body.
        #[serde(default)]
        body: Vec<u8>,
    },
    /// Bytes on the socket instead of an answer, when the whole request has come.
    Raw {
        /// One after the other.
        acts: Vec<Act>,
    },
}

/// Bends every token response, until cleared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenShape {
    /// The access token's real lifetime in seconds.
    pub lifetime_s: Option<u64>,
    /// `expires_in` as it is written, whatever the lifetime: a string, negative, huge, a fraction.
    pub expires_in: Option<Value>,
    /// Leaves `expires_in` out.
    pub omit_expires_in: bool,
    /// How far the server's clock is off, in seconds.
    pub clock_skew_s: i64,
}

/// The faults of one server.
#[derive(Debug, Default)]
pub struct Faults {
    state: Mutex<FaultState>,
}

#[derive(Debug, Default)]
struct FaultState {
    by_place: HashMap<Place, Vec<Armed>>,
    shape: TokenShape,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    /// `None`: until cleared.
    left: Option<u32>,
}

impl Faults {
    /// The fault strikes every request at this place until [`Faults::clear`].
    pub fn always(&self, place: Place, fault: Fault) {
        self.arm(place, fault, None);
    }

    /// The fault strikes the next `times` requests at this place. Faults strike in the order they were set.
    pub fn next(&self, place: Place, times: u32, fault: Fault) {
        self.arm(place, fault, Some(times));
    }

    /// Bends token responses.
    pub fn shape_tokens(&self, shape: TokenShape) {
        self.state().shape = shape;
    }

    /// How token responses are bent.
    pub fn shape(&self) -> TokenShape {
        self.state().shape.clone()
    }

    /// A good day again.
    pub fn clear(&self) {
        *self.state() = FaultState::default();
    }

    fn arm(&self, place: Place, fault: Fault, left: Option<u32>) {
        self.state().by_place.entry(place).or_default().push(Armed { fault, left });
    }

    fn take(&self, place: Place) -> Option<Fault> {
        let mut state = self.state();
        let armed = state.by_place.get_mut(&place)?;
        armed.retain(|fault| fault.left != Some(0));
        let first = armed.first_mut()?;
        if let Some(left) = &mut first.left {
            *left -= 1;
        }
        Some(first.fault.clone())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, FaultState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Middleware: counts the request, and lets a fault strike before or instead of the handler.
pub(super) async fn strike(State(server): State<Shared>, request: Request, next: Next) -> Response {
    let Some(place) = server.place_of(request.uri().path()) else {
        return next.run(request).await;
    };
    server.counts.asked(place);
    match server.faults.take(place) {
        None => next.run(request).await,
        Some(Fault::Latency { ms }) => {
            // What was asked for has happened, whether or not anybody still waits for the answer.
            let answer = next.run(request).await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            answer
        }
        Some(Fault::Status { status, body, retry_after }) => status_answer(status, body, retry_after),
        Some(Fault::Reset) => {
            let mut answer = Response::new(Body::empty());
            answer.extensions_mut().insert(CloseInstead);
            answer
        }
        Some(Fault::HalfSent) => half_of(next.run(request).await).await,
        Some(Fault::Body { body }) => json_answer(body),
        Some(Fault::Answer { status, headers, body }) => whole_answer(status, headers, body),
        Some(Fault::Raw { acts }) => {
            // A connection that is closed with bytes unread breaks off, and takes along what was sent.
            let _ = axum::body::to_bytes(request.into_body(), usize::MAX).await;
            let (clock, sent) = (server.clock.clone(), server.counts.raw_bytes());
            let mut answer = Response::new(Body::empty());
            answer.extensions_mut().insert(RawInstead { acts, clock, sent });
            answer
        }
    }
}

fn whole_answer(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Response {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

fn status_answer(status: u16, body: String, retry_after: Option<String>) -> Response {
    let mut answer = json_answer(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(value) = retry_after.and_then(|text| HeaderValue::try_from(text).ok()) {
        answer.headers_mut().insert(header::RETRY_AFTER, value);
    }
    answer
}

fn json_answer(body: String) -> Response {
    let kind = if body.starts_with('<') { "text/html" } else { "application/json" };
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

/// Announces the whole length, sends the first half, and breaks off.
async fn half_of(answer: Response) -> Response {
    let (mut head, body) = answer.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    head.headers.insert(HeaderName::from_static("content-length"), whole.len().into());
    let half = whole.slice(..whole.len() / 2);
    let breaks_off = async {
        // Whoever waits lets what was written go out; an error at once would take the first half along.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe))
    };
    let frames = futures_util::stream::once(async { Ok::<Bytes, std::io::Error>(half) });
    Response::from_parts(head, Body::from_stream(frames.chain(futures_util::stream::once(breaks_off))))
}
