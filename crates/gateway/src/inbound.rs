//! The guarded side: one MCP resource in front of one upstream.
//!
//! ```text
//! request ─ Host, Origin ─ preflight ─ guard ─ session ─ body ─ clean headers ─ identity ─ forward ─ answer, streamed
//! ```
//! The order is DESIGN's: nothing is read that a cheaper check would have refused.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bearward_guard::{Guard, Mode, Verified, bearer};
use bearward_observe::{AuditTrail, Event, Rejection};
use bearward_supply::Caller;
use bearward_token::AccessToken;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::address::TrustedProxies;
use crate::answer::Asked;
use crate::body::{self, Body};
use crate::browser::{self, BrowserRules};
use crate::cors;
use crate::forward::{ForwardError, Forwarder, Outgoing, Payload};
use crate::headers::{self, Reserved};
use crate::identity::Identity;
use crate::judge::Admitted;
use crate::lifetime::{Presented, Ticket, while_it_holds};
use crate::listing::{self, Cut};
use crate::location;
use crate::provider::Provider;
use crate::record::Record;
use crate::revision::Revisions;
use crate::sessions::{MCP_SESSION_ID, Sessions};
use crate::target::Target;

const NOT_READABLE: &str = "The answer of the server behind could not be read";
const NOT_SIGNED: &str = "This gateway could not tell the server behind who is calling";

/// One guard with what stands behind it.
#[derive(Debug)]
pub struct Inbound {
    /// Decides who comes in.
    pub guard: Arc<Guard>,
    /// Keeps web pages out.
    pub browser: BrowserRules,
    /// Where requests go.
    pub upstream: Target,
    /// Whose token they carry; without one they carry none.
    pub provider: Option<Arc<Provider>>,
    /// Proxies in front of us that tell who calls.
    pub proxies: TrustedProxies,
    /// Headers that no caller may set.
    pub reserved: Reserved,
    /// What the upstream is told of its callers.
    pub identity: Identity,
    /// Which revisions of MCP pass.
    pub revisions: Revisions,
    /// Longest body, in bytes.
    pub max_body: usize,
    /// How long an event stream outlives its token.
    pub stream_grace: Duration,
    /// `https` when callers reach the resource by TLS.
    pub proto: &'static str,
    /// Where decisions are written down.
    pub audit: Option<AuditTrail>,
    /// Open sessions.
    pub sessions: Sessions,
    /// Sends.
    pub forwarder: Forwarder,
}

impl Inbound {
    /// Handles one request; `rest` is what its path has beyond the guarded one.
    pub async fn handle(
        &self,
        request: Request<Incoming>,
        rest: &str,
        peer: Option<IpAddr>,
    ) -> Response<Body> {
        let (head, incoming) = request.into_parts();
        let address = peer.map(|peer| self.proxies.caller(peer, &head.headers));
        let unwelcome = match self.judge_place(&head, address) {
            Ok(unwelcome) => unwelcome,
            Err(refused) => return *refused,
        };
        if unwelcome.is_some() {
            // The guard only observes: what the server behind says to this page is its own affair.
            return self.judge_and_forward(head, incoming, rest, address, unwelcome).await;
        }
        if let Some(answer) = cors::preflight(&head) {
            return answer;
        }
        let origin = cors::origin(&head);
        let mut answer = match self.judge_method(&head, address) {
            Ok(()) => self.judge_and_forward(head, incoming, rest, address, None).await,
            Err(refused) => *refused,
        };
        cors::allow(answer.headers_mut(), origin.as_ref());
        answer
    }

    async fn judge_and_forward(
        &self,
        head: Parts,
        incoming: Incoming,
        rest: &str,
        address: Option<IpAddr>,
        unwelcome: Option<Rejection>,
    ) -> Response<Body> {
        let received = self.forwarder.clock.monotonic();
        let asked = Asked::new(&head.method);
        let Admitted { caller, bytes, record } =
            match self.judge(&asked, &head, incoming, address, unwelcome).await {
                Ok(admitted) => admitted,
                Err(refused) => return *refused,
            };
        let Ok(uri) = self.upstream.join(rest, head.uri.query()) else {
            return asked.with_body(&bytes).error(StatusCode::BAD_REQUEST, "The request path is not allowed");
        };
        let cut = caller.as_ref().and_then(|caller| Cut::new(&self.guard, caller));
        let session = SessionUse::of(&head.method, &head.headers);
        // Shared, not copied; looked at again by a stream that outlives a verdict.
        let authorization = head.headers.get(AUTHORIZATION).cloned();
        let mut headers = self.headers(&head, address);
        if let Some(caller) = &caller
            && let Err(error) = self.identity.tell(&mut headers, caller, &*self.forwarder.clock)
        {
            tracing::error!(guard = %self.guard.settings().name, %error, "the caller's identity could not be signed");
            return asked.with_body(&bytes).error(StatusCode::INTERNAL_SERVER_ERROR, NOT_SIGNED);
        }
        if cut.is_some() {
            listing::ask_plainly(&mut headers);
        }
        let is_see_through = self.is_see_through();
        let payload = Payload::Collected(bytes.clone());
        let outgoing = Outgoing { method: head.method.clone(), uri, headers, payload, is_see_through };
        let before = self.forwarder.clock.monotonic().saturating_sub(received);
        match self.forward(outgoing, &head.headers, caller.as_ref(), &record).await {
            Ok(answer) => {
                let answer =
                    self.pass_back(answer, caller.as_ref(), authorization, &session, unwelcome, before);
                self.cut(answer, cut, asked, &bytes).await
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(guard = %self.guard.settings().name, %error, cause, "no usable answer from behind");
                asked.with_body(&bytes).failure(&error)
            }
        }
    }

    /// Sends a request on that came with these headers, with the token that its caller's requests carry.
    async fn forward(
        &self,
        outgoing: Outgoing,
        came_with: &HeaderMap,
        caller: Option<&Verified>,
        record: &Record<'_>,
    ) -> Result<Response<Incoming>, ForwardError> {
        let Some(provider) = &self.provider else {
            return self.forwarder.forward(outgoing, None, caller.map(Deref::deref)).await;
        };
        let token =
            came_with.get(AUTHORIZATION).filter(|_| provider.tokens.asks_for_caller()).and_then(presented);
        let principal = caller.map(Deref::deref);
        let owner = principal.zip(token.as_ref()).map(|(principal, token)| Caller { principal, token });
        let credential = provider.credential(came_with, owner.as_ref(), &*self.forwarder.clock).await;
        let credential = credential.inspect_err(|_| record.stayed(&provider.name))?;
        let answer = self.forwarder.forward(outgoing, Some(&credential), principal).await;
        record.departed(&credential, answer.as_ref().ok().map(Response::status));
        answer
    }

    async fn cut(
        &self,
        answer: Response<Body>,
        cut: Option<Cut>,
        asked: Asked,
        request: &[u8],
    ) -> Response<Body> {
        let Some(cut) = cut else { return answer };
        match cut.apply(answer).await {
            Ok(answer) => answer,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(guard = %self.guard.settings().name, %error, cause, "an answer from behind was not passed on");
                asked.with_body(request).error(StatusCode::BAD_GATEWAY, NOT_READABLE)
            }
        }
    }

    /// The upstream's answer for the caller.
    fn pass_back(
        &self,
        answer: Response<Incoming>,
        caller: Option<&Verified>,
        authorization: Option<HeaderValue>,
        session: &SessionUse,
        unwelcome: Option<Rejection>,
        overhead: Duration,
    ) -> Response<Body> {
        let clock = &*self.forwarder.clock;
        let answered = clock.monotonic();
        let (mut head, incoming) = answer.into_parts();
        if self.is_see_through() {
            headers::clean_hop(&mut head.headers);
        } else {
            headers::clean_response(&mut head.headers);
        }
        if unwelcome.is_none() {
            cors::forget(&mut head.headers);
        }
        location::rewrite(&mut head.headers, &self.upstream, self.guard.settings().resource.as_str());
        let mut body = body::streamed(incoming);
        if let Some(caller) = caller {
            if head.status.is_success() {
                match session {
                    SessionUse::Ends(id) => self.sessions.closed(id),
                    SessionUse::None => self.sessions.opened(&head.headers, caller),
                    SessionUse::Continues => {}
                }
            }
            body = while_it_holds(body, &head.headers, || self.ticket(caller, authorization));
        }
        self.forwarder.observer.emit(Event::Proxied {
            guard: self.guard.settings().name.clone(),
            overhead: overhead + clock.monotonic().saturating_sub(answered),
        });
        Response::from_parts(head, body)
    }

    /// By what a caller's stream lives; `None`: the guard only observes, and ends nothing.
    fn ticket(&self, caller: &Verified, authorization: Option<HeaderValue>) -> Option<Ticket> {
        let authorization = authorization.filter(|_| self.guard.enforces_for(caller))?;
        Some(Ticket {
            caller: caller.clone(),
            grace: self.stream_grace,
            clock: self.forwarder.clock.clone(),
            token: Arc::new(Presented { guard: self.guard.clone(), authorization }),
        })
    }

    /// While a guard does not refuse everybody it should, the server behind must go on verifying by itself: its callers'
    /// credentials and its own challenges pass, as they did before there was a guard. It is the resource that the tokens
    /// were issued for.
    fn is_see_through(&self) -> bool {
        self.guard.settings().mode != Mode::default() && self.provider.is_none()
    }

    fn headers(&self, head: &Parts, peer: Option<IpAddr>) -> HeaderMap {
        let host =
            browser::named_host(&head.uri, &head.headers).and_then(|host| HeaderValue::try_from(host).ok());
        let mut outgoing = head.headers.clone();
        let credential = head.headers.get(AUTHORIZATION).filter(|_| self.is_see_through());
        headers::clean_request(&mut outgoing, &self.reserved);
        headers::remove_ambiguous(&mut outgoing);
        if let Some(credential) = credential {
            outgoing.insert(AUTHORIZATION, credential.clone());
        }
        headers::set_forwarded(&mut outgoing, peer, host.as_ref(), self.proto);
        outgoing
    }
}

/// The token that a guard has verified, in a string of its own.
fn presented(authorization: &HeaderValue) -> Option<AccessToken> {
    let token = bearer::in_header(authorization).ok()??;
    Some(AccessToken::new(token.as_str()))
}

/// What a request does with a session, remembered until its answer comes.
enum SessionUse {
    /// Names none: the answer may open one.
    None,
    /// Within one.
    Continues,
    /// DELETE: ends it.
    Ends(HeaderValue),
}

impl SessionUse {
    fn of(method: &Method, headers: &HeaderMap) -> Self {
        match headers.get(MCP_SESSION_ID) {
            None => Self::None,
            Some(id) if method == Method::DELETE => Self::Ends(id.clone()),
            Some(_) => Self::Continues,
        }
    }
}
