//! The guard as a `tower` layer, for servers on axum, hyper or rmcp: nothing reaches the service behind without a good
//! token, and its handlers find the [`Principal`](bearward_token::Principal) in the request's extensions.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;
use tower_layer::Layer;
use tower_service::Service;

use crate::guard::Guard;
use crate::metadata::WELL_KNOWN;
use crate::refusal::{Refusal, Refused};

/// Puts a guard before a service.
///
/// A request with a good token goes on without it (a token that came in never goes out), with an
/// `Arc<Principal>` in its extensions. Any other is answered here, with the challenge that MCP clients understand.
/// The resource's metadata document (RFC 9728) is served as well, at its own well-known path and, since a layer has one
/// guard only, at the root.
#[derive(Debug, Clone)]
pub struct RequireBearer {
    guard: Arc<Guard>,
}

/// A service with a guard before it.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    guard: Arc<Guard>,
    inner: S,
}

impl RequireBearer {
    /// A layer of this guard.
    pub fn new(guard: impl Into<Arc<Guard>>) -> Self {
        Self { guard: guard.into() }
    }
}

impl<S> Layer<S> for RequireBearer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.guard.clone(), inner }
    }
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String> + Send + 'static,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let guard = self.guard.clone();
        // The one that was polled ready goes with the request; its clone waits for the next.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let path = request.uri().path();
            if path == WELL_KNOWN || path == guard.metadata_path() {
                return Ok(metadata(&guard, request.method()));
            }
            match guard.admit(request.headers(), request.uri().query(), None).await {
                Ok(caller) => {
                    guard.accepted();
                    request.headers_mut().remove(AUTHORIZATION);
                    request.extensions_mut().insert(caller.principal().clone());
                }
                Err(Refused { refusal, is_enforced: true, .. }) => {
                    return Ok(refused(&guard, &refusal, request.method()));
                }
                Err(Refused { is_enforced: false, .. }) => {}
            }
            inner.call(request).await
        })
    }
}

fn metadata<R: From<String>>(guard: &Guard, method: &Method) -> Response<R> {
    if method != Method::GET && method != Method::HEAD {
        return answer(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "This document can only be read"}));
    }
    let mut answer = answer(StatusCode::OK, &json!(guard.metadata()));
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    answer
}

fn refused<R: From<String>>(guard: &Guard, refusal: &Refusal, method: &Method) -> Response<R> {
    let document = match *method {
        Method::POST => {
            json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": refusal.message()}})
        }
        _ => json!({"error": refusal.message()}),
    };
    let mut answer = answer(refusal.status(), &document);
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = guard.challenge(refusal) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    let after = match refusal {
        Refusal::Unavailable { retry_after, .. } => Some(*retry_after),
        Refusal::TooMany(exceeded) => Some(exceeded.retry_after),
        _ => None,
    };
    if let Some(after) = after {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    answer
}

fn answer<R: From<String>>(status: StatusCode, document: &serde_json::Value) -> Response<R> {
    let mut answer = Response::new(R::from(document.to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
