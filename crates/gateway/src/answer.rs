//! Answers that Bearward gives itself: refusals, failures behind, its own documents.
//!
//! A POST is JSON-RPC and gets a JSON-RPC error, with the request's id where it is known; anything else
//! gets a small JSON object. The words are fixed: nothing from a token, an upstream or an error's cause.

use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use bearward_guard::agreement::DISAGREEMENT_CODE;
use bearward_guard::limits::whole_seconds;
use bearward_guard::message::MessageError;
use bearward_guard::{Guard, Refusal};
use bearward_supply::{Acting, Failure};

use crate::body::{self, Body, CollectError};
use crate::forward::ForwardError;
use crate::provider::AttachError;
use crate::shape::Misshapen;

/// JSON-RPC's range for errors that a server defines itself (-32000 to -32099).
const SERVER_ERROR: i64 = -32000;

/// JSON-RPC 2.0 §5.1.
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;

const NOT_FOR_CALLER: &str =
    "The authorization server gives this gateway no token to act for this caller at the server behind";
const NO_CREDENTIAL: &str = "This gateway could not get its own credential for the server behind";

/// An answer on its way through many hands: in a box, so that none of them copies it.
pub type Answered = Box<Response<Body>>;

/// What an answer needs to know of the request it answers.
#[derive(Debug, Clone)]
pub struct Asked {
    is_json_rpc: bool,
    id: Value,
}

impl Asked {
    /// A request to an MCP resource, before its body is known.
    pub fn new(method: &Method) -> Self {
        Self { is_json_rpc: method == Method::POST, id: Value::Null }
    }

    /// A request to anything else.
    pub fn plain() -> Self {
        Self { is_json_rpc: false, id: Value::Null }
    }

    /// Takes the id out of a JSON-RPC request, if it is one.
    #[must_use]
    pub fn with_body(mut self, body: &[u8]) -> Self {
        #[derive(serde::Deserialize)]
        struct Id {
            id: Option<Value>,
        }
        let id = serde_json::from_slice::<Id>(body).ok().and_then(|request| request.id);
        self.id = id.filter(|id| id.is_string() || id.is_number()).unwrap_or(Value::Null);
        self
    }

    /// An answer with this status and these words.
    #[cold]
    pub fn error(&self, status: StatusCode, message: &str) -> Response<Body> {
        self.error_with(status, SERVER_ERROR, message)
    }

    #[cold]
    fn error_with(&self, status: StatusCode, code: i64, message: &str) -> Response<Body> {
        let document = if self.is_json_rpc {
            json!({"jsonrpc": "2.0", "id": self.id, "error": {"code": code, "message": message}})
        } else {
            json!({"error": message})
        };
        let mut answer = document_answer(&document);
        *answer.status_mut() = status;
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }

    /// A request that is none.
    #[cold]
    pub fn misshapen(&self, wrong: Misshapen) -> Response<Body> {
        let mut answer = self.error(wrong.status(), wrong.message());
        if let Some(allow) = wrong.allow() {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        answer
    }

    /// A guard's refusal, with its challenge.
    #[cold]
    pub fn refusal(&self, guard: &Guard, refusal: &Refusal) -> Response<Body> {
        let mut answer = self.error(refusal.status(), refusal.message());
        if let Some(challenge) = guard.challenge(refusal) {
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        match refusal {
            Refusal::Unavailable { retry_after: after, .. } => retry_after(&mut answer, *after),
            Refusal::TooMany(exceeded) => {
                for (name, value) in exceeded.fields() {
                    // Numbers and names of ours alone.
                    if let Ok(value) = HeaderValue::try_from(value) {
                        answer.headers_mut().insert(name, value);
                    }
                }
            }
            _ => {}
        }
        answer
    }

    /// A body that is no message, or not clearly one.
    #[cold]
    pub fn bad_message(&self, error: MessageError) -> Response<Body> {
        let (code, message) = match error {
            MessageError::NotJsonRpc => (PARSE_ERROR, "The request body is not JSON"),
            MessageError::Ambiguous => {
                (INVALID_REQUEST, "The request body is not one clear JSON-RPC message")
            }
        };
        self.error_with(StatusCode::BAD_REQUEST, code, message)
    }

    /// Headers that contradict the body (SPEC PX-2).
    #[cold]
    pub fn disagreement(&self) -> Response<Body> {
        let message = "The Mcp-Method and Mcp-Name headers do not say what the request body says";
        self.error_with(StatusCode::BAD_REQUEST, DISAGREEMENT_CODE, message)
    }

    /// A body that could not be collected.
    #[cold]
    pub fn bad_body(&self, error: CollectError) -> Response<Body> {
        match error {
            CollectError::TooLarge => {
                self.error(StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large")
            }
            CollectError::TooSlow => {
                self.error(StatusCode::REQUEST_TIMEOUT, "The request body did not arrive in time")
            }
            CollectError::Broken => self.error(StatusCode::BAD_REQUEST, "The request body broke off"),
        }
    }

    /// A failure behind. The cause has gone to the log.
    #[cold]
    pub fn failure(&self, error: &ForwardError) -> Response<Body> {
        match error {
            ForwardError::Upstream(crate::upstream::UpstreamError::Timeout { .. }) => {
                self.error(StatusCode::GATEWAY_TIMEOUT, "The server behind did not answer in time")
            }
            ForwardError::Upstream(_) => {
                self.error(StatusCode::BAD_GATEWAY, "The server behind cannot be reached")
            }
            ForwardError::Refused { .. } => {
                self.error(StatusCode::BAD_GATEWAY, "The server behind refused this gateway's own credential")
            }
            ForwardError::Attach(AttachError::NoTenant { .. }) => self.error(
                StatusCode::FORBIDDEN,
                "The access token names no tenant, and this resource needs one",
            ),
            ForwardError::Attach(AttachError::Expired { .. }) => {
                self.error(StatusCode::BAD_GATEWAY, NO_CREDENTIAL)
            }
            ForwardError::Attach(AttachError::NoToken { acting: Acting::Own, source, .. })
                if is_about_the_caller(&source.failure) =>
            {
                self.error(StatusCode::FORBIDDEN, NOT_FOR_CALLER)
            }
            ForwardError::Attach(AttachError::NoToken { source, .. }) => {
                let mut answer = self.error(StatusCode::BAD_GATEWAY, NO_CREDENTIAL);
                if let Some(after) = source.retry_after {
                    retry_after(&mut answer, after);
                }
                answer
            }
        }
    }
}

/// Whether somebody else could have had a token: not when it is our own credential that is refused.
fn is_about_the_caller(failure: &Failure) -> bool {
    const ABOUT_THE_CALLER: [&str; 4] = ["access_denied", "invalid_grant", "invalid_scope", "invalid_target"];
    match failure {
        Failure::Refused { code, .. } => ABOUT_THE_CALLER.contains(&code.as_str()),
        Failure::NotForCaller { .. } => true,
        _ => false,
    }
}

/// A JSON document.
pub fn document_answer(document: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(document).unwrap_or_default();
    let mut answer = Response::new(body::full(text));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// When to come back, in `Retry-After`.
pub(crate) fn retry_after(answer: &mut Response<Body>, after: Duration) {
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
}
