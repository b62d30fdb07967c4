//! What anybody may read: the metadata of guarded resources, and the keys with which this server signs.

use std::sync::Arc;

use bearward_guard::Guard;
use bearward_token::Clock;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    CACHE_CONTROL, CONTENT_TYPE,
};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value};

use crate::answer::{Asked, document_answer};
use crate::body::{self, Body};
use crate::signing::{MAX_AGE, SigningError, SigningKeys};

/// Where the keys stand.
pub const JWKS_PATH: &str = "/.well-known/jwks.json";

/// The type of signed metadata: it is nobody's token (RFC 8725 §3.11).
const METADATA_TYPE: &str = "protected-resource-metadata+jwt";

/// The public documents of one server.
#[derive(Debug)]
pub struct Documents {
    keys: Option<Arc<SigningKeys>>,
    clock: Arc<dyn Clock>,
}

impl Documents {
    /// Without `keys` there is no key set.
    pub fn new(keys: Option<Arc<SigningKeys>>, clock: Arc<dyn Clock>) -> Self {
        Self { keys, clock }
    }

    /// The key set, if `path` is its place and there is one (RFC 7517 §5).
    pub(crate) fn jwks(&self, path: &str, method: &Method) -> Option<Response<Body>> {
        let keys = self.keys.as_ref().filter(|_| path == JWKS_PATH)?;
        let mut answer = public(method, || keys.jwks());
        if answer.status() == StatusCode::OK {
            let kind = HeaderValue::from_static("application/jwk-set+json");
            answer.headers_mut().insert(CONTENT_TYPE, kind);
        }
        Some(answer)
    }

    /// A guard's metadata, signed where the guard says so (RFC 9728 §2.2).
    pub(crate) fn metadata(&self, guard: &Guard, method: &Method) -> Response<Body> {
        public(method, || {
            let Ok(Value::Object(mut document)) = serde_json::to_value(guard.metadata()) else {
                return Value::Null; // A structure always becomes an object.
            };
            if let Some(keys) = self.keys.as_ref().filter(|_| guard.metadata().jwks_uri.is_some()) {
                match self.sign(&document, keys) {
                    Ok(signed) => {
                        document.insert("signed_metadata".into(), signed.into());
                    }
                    Err(error) => {
                        tracing::error!(%error, "the metadata could not be signed and is served as it is");
                    }
                }
            }
            Value::Object(document)
        })
    }

    /// The resource speaks for itself: its keys are found by `jwks_uri`.
    fn sign(&self, document: &Map<String, Value>, keys: &SigningKeys) -> Result<String, SigningError> {
        let mut claims = document.clone();
        let issuer = claims.get("resource").cloned().unwrap_or_default();
        claims.insert("iss".into(), issuer);
        claims.insert("iat".into(), self.clock.unix_seconds().into());
        keys.sign(METADATA_TYPE, &claims)
    }
}

/// A document that any web page may read, before it has any token.
fn public(method: &Method, document: impl FnOnce() -> Value) -> Response<Body> {
    let mut answer = match *method {
        Method::OPTIONS => preflight(),
        Method::GET | Method::HEAD => document_answer(&document()),
        _ => {
            let mut answer =
                Asked::plain().error(StatusCode::METHOD_NOT_ALLOWED, "This document can only be read");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
            return answer;
        }
    };
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if *method != Method::OPTIONS
        && let Ok(age) = HeaderValue::try_from(format!("public, max-age={}", MAX_AGE.as_secs()))
    {
        headers.insert(CACHE_CONTROL, age);
    }
    answer
}

/// With any of the headers that MCP clients add.
fn preflight() -> Response<Body> {
    let mut answer = Response::new(body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    answer
}
