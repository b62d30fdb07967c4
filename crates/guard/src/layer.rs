//! The guard as a `tower` layer, for servers on axum, hyper or rmcp: nothing reaches the service behind without a good
//! token, and its handlers find the [`Principal`](bearward_token::Principal) in the request's extensions.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{Extensions, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;
use tower_layer::Layer;
use tower_service::Service;

use crate::guard::Guard;
use crate::limits::whole_seconds;
use crate::metadata::WELL_KNOWN;
use crate::mode::Mode;
use crate::refusal::{Refusal, Refused};

/// Puts a guard before a service.
///
/// A request with a good token goes on without it (a token that came in never goes out), with an
/// `Arc<Principal>` in its extensions. Any other is answered here, with the challenge that MCP clients understand.
/// The resource's metadata document (RFC 9728) is served as well, at its own well-known path and, since a layer has one
/// guard only, at the root.
///
/// It looks at tokens alone. Which pages may call (`Origin`, `Host`) is the server's own to judge, and CORS a layer's
/// outside of this one. Calls can be judged in a handler, by [`Guard::authorize`].
#[derive(Debug, Clone)]
pub struct RequireBearer {
    guard: Arc<Guard>,
    address: Option<AddressOf>,
}

/// From where a request comes, out of its extensions; what the server put there.
pub type AddressOf = fn(&Extensions) -> Option<IpAddr>;

/// Something of a guard that a layer could not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
    /// Rules hang on the body, which a layer passes on unread.
    #[error(
        "the guard has rules for calls, and a layer does not read bodies: judge calls by `Guard::authorize`, without rules here"
    )]
    Rules,
    /// Failures are to be counted by address, and nobody tells it.
    #[error("the guard limits failures per address: use `RequireBearer::with_addresses`")]
    Addresses,
}

/// A service with a guard before it.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    guard: Arc<Guard>,
    address: Option<AddressOf>,
    inner: S,
}

impl RequireBearer {
    /// A layer of this guard.
    ///
    /// # Errors
    /// When the guard has rules, or limits failures per address: nobody would keep them.
    pub fn new(guard: impl Into<Arc<Guard>>) -> Result<Self, LayerError> {
        let guard = guard.into();
        if guard.settings().limits.failures_per_address.is_some() {
            return Err(LayerError::Addresses);
        }
        Self::of(guard, None)
    }

    /// A layer of a guard that limits failures per address. `address` says from where a request comes: for axum
    /// `|extensions| Some(extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip())`.
    ///
    /// # Errors
    /// When the guard has rules: nobody would keep them.
    pub fn with_addresses(guard: impl Into<Arc<Guard>>, address: AddressOf) -> Result<Self, LayerError> {
        Self::of(guard.into(), Some(address))
    }

    fn of(guard: Arc<Guard>, address: Option<AddressOf>) -> Result<Self, LayerError> {
        if guard.settings().policy.is_empty() { Ok(Self { guard, address }) } else { Err(LayerError::Rules) }
    }
}

impl<S> Layer<S> for RequireBearer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.guard.clone(), address: self.address, inner }
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
        let address = self.address.and_then(|address| address(request.extensions()));
        // The one that was polled ready goes with the request; its clone waits for the next.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let path = request.uri().path();
            if path == WELL_KNOWN || path == guard.metadata_path() {
                return Ok(metadata(&guard, request.method()));
            }
            if guard.settings().mode == Mode::Off {
                return inner.call(request).await;
            }
            match guard.admit(request.headers(), request.uri().query(), address).await {
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
    let fields = match refusal {
        Refusal::Unavailable { retry_after, .. } => {
            vec![(RETRY_AFTER.as_str(), whole_seconds(*retry_after).to_string())]
        }
        Refusal::TooMany(exceeded) => exceeded.fields().into(),
        _ => Vec::new(),
    };
    for (name, value) in fields {
        // Numbers and names of ours alone.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    answer
}

fn answer<R: From<String>>(status: StatusCode, document: &serde_json::Value) -> Response<R> {
    let mut answer = Response::new(R::from(document.to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
