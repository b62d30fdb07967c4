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
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper::body::Incoming;

use crate::answer::Answered;
use crate::body::{self, Body};
use crate::noted::Noted;
use crate::provider::{AttachError, Credential};
use crate::upstream::{ANSWER_TIMEOUT, UPLOAD_TIMEOUT, UpstreamClient, UpstreamError, origin_of};

/// Session expired, as some frameworks answer instead of 401.
const AUTHENTICATION_TIMEOUT: u16 = 419;

/// A request that is ready to leave, but for the credential. In a box, for it passes through many hands.
pub struct Outgoing {
    request: Box<Request<Body>>,
    /// How long to wait for an answer's head.
    limit: Duration,
    /// The upstream verifies its callers by itself: a 401 is its word to them.
    pub is_see_through: bool,
}

/// A request whose body is at hand, to be sent once more if its token is refused.
pub struct Again {
    method: Method,
    headers: Noted,
    body: Bytes,
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
    /// Sends a request to `to`, with the provider's token if there is a provider; `again` is the same request once more,
    /// where its body is at hand. A request that carries the caller's own credential already gets the upstream's own
    /// answer to it.
    ///
    /// # Errors
    /// As [`ForwardError`] says. A token is got before a byte is sent.
    pub async fn forward(
        &self,
        outgoing: Outgoing,
        to: &Uri,
        again: impl FnOnce() -> Option<Outgoing>,
        credential: Option<&Credential<'_>>,
        caller: Option<&Principal>,
    ) -> Result<Answered, ForwardError> {
        let Some(credential) = credential else {
            let Outgoing { request, limit, is_see_through } = outgoing;
            let answer = self.upstream.send(request, to, limit).await?;
            if is_see_through {
                return Ok(answer);
            }
            return refuse_challenge(answer, None, to);
        };
        let token = credential.token().await?;
        let answer = self.send(outgoing, to, credential, &token, caller).await?;
        if !is_about_our_token(answer.status()) {
            return refuse_challenge(answer, Some(credential), to);
        }
        // Boxed: hardly any request needs it, and each would have room for it.
        let answer = match Box::pin(self.retry(again(), to, credential, &token, caller)).await? {
            Some(second) => second,
            None => answer,
        };
        refuse_challenge(answer, Some(credential), to)
    }

    async fn retry(
        &self,
        again: Option<Outgoing>,
        to: &Uri,
        credential: &Credential<'_>,
        refused: &Supplied,
        caller: Option<&Principal>,
    ) -> Result<Option<Answered>, ForwardError> {
        let provider = &credential.provider.name;
        self.observer.emit(Event::Retry401 { provider: provider.clone() });
        // Also without a body to replay: the next request then has a token that works.
        let (Some(again), Some(token)) = (again, credential.instead_of(refused).await?) else {
            return Ok(None);
        };
        let answer = self.send(again, to, credential, &token, caller).await?;
        if !is_about_our_token(answer.status()) {
            self.observer.emit(Event::RetrySuccess { provider: provider.clone() });
        }
        Ok(Some(answer))
    }

    async fn send(
        &self,
        mut outgoing: Outgoing,
        to: &Uri,
        credential: &Credential<'_>,
        token: &Supplied,
        caller: Option<&Principal>,
    ) -> Result<Answered, ForwardError> {
        let provider = credential.provider;
        provider.attach(outgoing.request.headers_mut(), token, caller, &*self.clock)?;
        self.observer.tally(&provider.attached, || Event::HeaderAttached { provider: provider.name.clone() });
        let Outgoing { request, limit, .. } = outgoing;
        Ok(self.upstream.send(request, to, limit).await?)
    }
}

impl Outgoing {
    /// As the caller sent it, with headers that are clean.
    pub fn new(method: Method, headers: HeaderMap, payload: Payload) -> Self {
        let (body, limit) = match payload {
            Payload::Collected(bytes) => (body::full(bytes), ANSWER_TIMEOUT),
            Payload::Streamed(incoming) => (body::streamed(incoming), UPLOAD_TIMEOUT),
        };
        let mut request = Box::new(Request::new(body));
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        Self { request, limit, is_see_through: false }
    }

    /// What it says of itself and of its caller.
    pub(crate) fn headers_mut(&mut self) -> &mut HeaderMap {
        self.request.headers_mut()
    }

    /// For an upstream that verifies its callers by itself.
    #[must_use]
    pub fn see_through(self, is_see_through: bool) -> Self {
        Self { is_see_through, ..self }
    }
}

impl Again {
    /// Of a request with these clean headers and the whole of its body.
    pub fn of(method: &Method, headers: &HeaderMap, body: &Bytes) -> Self {
        Self { method: method.clone(), headers: Noted::of(headers), body: body.clone() }
    }

    /// To be sent; `None` where it would not be the same request.
    pub fn request(self) -> Option<Outgoing> {
        let Self { method, headers, body } = self;
        Some(Outgoing::new(method, headers.read()?, Payload::Collected(body)))
    }
}

/// A 401 or 419 is always about our credential, a 403 where it comes with a challenge; a plain 403 is the
/// upstream's word to the caller and passes.
fn refuse_challenge(
    answer: Answered,
    credential: Option<&Credential<'_>>,
    to: &Uri,
) -> Result<Answered, ForwardError> {
    let status = answer.status();
    let challenged = status == StatusCode::FORBIDDEN && answer.headers().contains_key(WWW_AUTHENTICATE);
    if is_about_our_token(status) || challenged {
        let provider = credential.map(|credential| credential.provider.name.clone());
        return Err(ForwardError::Refused { provider, origin: origin_of(to), status });
    }
    Ok(answer)
}

fn is_about_our_token(status: StatusCode) -> bool {
    status == StatusCode::UNAUTHORIZED || status.as_u16() == AUTHENTICATION_TIMEOUT
}

fn describe(provider: Option<&str>) -> String {
    match provider {
        Some(name) => format!("the token of provider `{name}`"),
        None => "a request that carries no token of ours (no provider is configured for it)".into(),
    }
}
