//! Sends one request behind, with the provider's token, and repeats it once when that token is refused.
//!
//! DESIGN inbound step 6, HARD 15: a 401 or 419 from behind is about *our* token. One forced refresh, one
//! retry if the body can be replayed; still refused, the caller gets a 502 and never a 401, which would
//! send it into a login loop (SPEC PX-9).

use std::sync::Arc;
use std::time::Duration;

use bearward_observe::{Event, Observer};
use bearward_supply::Supplied;
use bearward_token::{Clock, Principal};
use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;

use crate::body::{self, Body};
use crate::provider::{AttachError, Credential};
use crate::upstream::{ANSWER_TIMEOUT, UPLOAD_TIMEOUT, UpstreamClient, UpstreamError};

/// Session expired, as some frameworks answer instead of 401.
const AUTHENTICATION_TIMEOUT: u16 = 419;

/// A request that is ready to leave, but for the credential.
pub struct Outgoing {
    /// As the caller sent it.
    pub method: Method,
    /// Upstream's own URI.
    pub uri: Uri,
    /// Cleaned.
    pub headers: HeaderMap,
    /// The body.
    pub payload: Payload,
    /// The upstream verifies its callers by itself: a 401 is its word to them.
    pub is_see_through: bool,
}

/// A body that leaves.
pub enum Payload {
    /// At hand; can be sent again.
    Collected(Bytes),
    /// Passed on as it comes; can be sent once.
    Streamed(Incoming),
}

/// Why a request had no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// It could not be made fit to leave.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// No answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// Our credential was refused, also after a refresh.
    #[error("{origin} refused {} with status {status}: check the audience and scopes that it expects", describe(.provider.as_deref()))]
    Refused {
        /// The provider whose token it was; `None` when none was attached.
        provider: Option<Arc<str>>,
        /// `scheme://host[:port]`.
        origin: String,
        /// Its answer.
        status: StatusCode,
    },
}

/// Forwards requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Forwarder {
    /// The pool.
    pub upstream: UpstreamClient,
    /// Time, for tenant signatures.
    pub clock: Arc<dyn Clock>,
    /// Told of every token that leaves.
    pub observer: Observer,
}

impl Forwarder {
    /// Sends a request, with the provider's token if there is a provider. A request that carries the caller's own
    /// credential already gets the upstream's own answer to it.
    ///
    /// # Errors
    /// As [`ForwardError`] says. A token is got before a byte is sent.
    pub async fn forward(
        &self,
        outgoing: Outgoing,
        credential: Option<&Credential<'_>>,
        caller: Option<&Principal>,
    ) -> Result<Response<Incoming>, ForwardError> {
        let Some(credential) = credential else {
            let origin = origin(&outgoing.uri);
            let limit = outgoing.limit();
            let is_callers_own = outgoing.is_see_through;
            let answer = self.upstream.send(outgoing.into_request(), limit).await?;
            if is_callers_own {
                return Ok(answer);
            }
            return refuse_challenge(answer, None, origin);
        };
        let token = credential.token().await?;
        let (again, origin) = (outgoing.copy(), origin(&outgoing.uri));
        let answer = self.send(outgoing, credential, &token, caller).await?;
        if !is_about_our_token(answer.status()) {
            return refuse_challenge(answer, Some(credential), origin);
        }
        let answer = match self.retry(again, credential, &token, caller).await? {
            Some(second) => second,
            None => answer,
        };
        refuse_challenge(answer, Some(credential), origin)
    }

    async fn retry(
        &self,
        again: Option<Outgoing>,
        credential: &Credential<'_>,
        refused: &Supplied,
        caller: Option<&Principal>,
    ) -> Result<Option<Response<Incoming>>, ForwardError> {
        let provider = &credential.provider.name;
        self.observer.emit(Event::Retry401 { provider: provider.clone() });
        // Also without a body to replay: the next request then has a token that works.
        let (Some(again), Some(token)) = (again, credential.instead_of(refused).await?) else {
            return Ok(None);
        };
        let answer = self.send(again, credential, &token, caller).await?;
        if !is_about_our_token(answer.status()) {
            self.observer.emit(Event::RetrySuccess { provider: provider.clone() });
        }
        Ok(Some(answer))
    }

    async fn send(
        &self,
        mut outgoing: Outgoing,
        credential: &Credential<'_>,
        token: &Supplied,
        caller: Option<&Principal>,
    ) -> Result<Response<Incoming>, ForwardError> {
        let provider = credential.provider;
        provider.attach(&mut outgoing.headers, token, caller, &*self.clock)?;
        self.observer.emit(Event::HeaderAttached { provider: provider.name.clone() });
        let limit = outgoing.limit();
        Ok(self.upstream.send(outgoing.into_request(), limit).await?)
    }
}

impl Outgoing {
    /// The same request once more, if its body is at hand.
    fn copy(&self) -> Option<Self> {
        let Payload::Collected(bytes) = &self.payload else { return None };
        Some(Self {
            method: self.method.clone(),
            uri: self.uri.clone(),
            headers: self.headers.clone(),
            payload: Payload::Collected(bytes.clone()),
            is_see_through: self.is_see_through,
        })
    }

    /// How long to wait for an answer's head.
    fn limit(&self) -> Duration {
        match self.payload {
            Payload::Collected(_) => ANSWER_TIMEOUT,
            Payload::Streamed(_) => UPLOAD_TIMEOUT,
        }
    }

    fn into_request(self) -> Request<Body> {
        let body = match self.payload {
            Payload::Collected(bytes) => body::full(bytes),
            Payload::Streamed(incoming) => body::streamed(incoming),
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

/// A 401 or 419 is always about our credential, a 403 where it comes with a challenge; a plain 403 is the
/// upstream's word to the caller and passes.
fn refuse_challenge(
    answer: Response<Incoming>,
    credential: Option<&Credential<'_>>,
    origin: String,
) -> Result<Response<Incoming>, ForwardError> {
    let status = answer.status();
    let challenged = status == StatusCode::FORBIDDEN && answer.headers().contains_key(WWW_AUTHENTICATE);
    if is_about_our_token(status) || challenged {
        let provider = credential.map(|credential| credential.provider.name.clone());
        return Err(ForwardError::Refused { provider, origin, status });
    }
    Ok(answer)
}

fn is_about_our_token(status: StatusCode) -> bool {
    status == StatusCode::UNAUTHORIZED || status.as_u16() == AUTHENTICATION_TIMEOUT
}

fn origin(uri: &Uri) -> String {
    format!("{}://{}", uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", |a| a.as_str()))
}

fn describe(provider: Option<&str>) -> String {
    match provider {
        Some(name) => format!("the token of provider `{name}`"),
        None => "a request that carries no token of ours (no provider is configured for it)".into(),
    }
}
