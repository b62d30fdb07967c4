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
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper::body::Incoming;

use crate::address::TrustedProxies;
use crate::answer::{Answered, Asked};
use crate::browser::BrowserRules;
use crate::cors;
use crate::forward::{Again, ForwardError, Forwarder, Outgoing, Payload};
use crate::headers::{self, Reserved, Taken};
use crate::identity::Identity;
use crate::judge::Admitted;
use crate::lifetime::{Presented, Ticket, while_it_holds};
use crate::listing::{self, Cut};
use crate::location;
use crate::provider::{AttachError, Credential, Provider};
use crate::revision::Revisions;
use crate::sessions::{MCP_SESSION_ID, Sessions};
use crate::signing::SigningError;
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
    /// Handles one request; `rest` is what its path has beyond the guarded one. Its headers go on as they stand,
    /// and are gone from its head then.
    pub async fn handle(
        &self,
        head: &mut Parts,
        incoming: Incoming,
        rest: &str,
        peer: Option<IpAddr>,
    ) -> Answered {
        let address = peer.map(|peer| self.proxies.caller(peer, &head.headers));
        let unwelcome = match self.judge_place(head, address) {
            Ok(unwelcome) => unwelcome,
            Err(refused) => return refused,
        };
        if unwelcome.is_some() {
            // The guard only observes: what the server behind says to this page is its own affair.
            return self.judge_and_forward(head, incoming, rest, address, unwelcome).await;
        }
        if let Some(answer) = cors::preflight(head) {
            return Box::new(answer);
        }
        let origin = cors::origin(head);
        let mut answer = match self.judge_method(head, address) {
            Ok(()) => self.judge_and_forward(head, incoming, rest, address, None).await,
            Err(refused) => refused,
        };
        cors::allow(answer.headers_mut(), origin.as_ref());
        answer
    }

    async fn judge_and_forward(
        &self,
        head: &mut Parts,
        incoming: Incoming,
        rest: &str,
        address: Option<IpAddr>,
        unwelcome: Option<Rejection>,
    ) -> Answered {
        let asked = Asked::new(&head.method);
        let Admitted { received, caller, bytes, calls, record } =
            match self.judge(&asked, head, incoming, address, unwelcome).await {
                Ok(admitted) => admitted,
                Err(refused) => return refused,
            };
        let Ok(uri) = self.upstream.join(rest, head.uri.query()) else {
            let wrong = "The request path is not allowed";
            return Box::new(asked.with_body(&bytes).error(StatusCode::BAD_REQUEST, wrong));
        };
        let cut = caller.as_ref().and_then(|caller| Cut::new(&self.guard, caller, &calls));
        let session = SessionUse::of(&head.method, &head.headers);
        let (credential, waited) = match self.credential(&head.headers, caller.as_ref()).await {
            Ok(found) => found,
            Err((provider, error)) => {
                record.stayed(&provider.name);
                return self.not_answered(asked, &bytes, &error.into());
            }
        };
        let (headers, authorization) = match self.take_headers(head, address, caller.as_ref(), cut.is_some())
        {
            Ok(taken) => taken,
            Err(error) => {
                tracing::error!(guard = %self.guard.settings().name, %error, "the caller's identity could not be signed");
                let failed = asked.with_body(&bytes).error(StatusCode::INTERNAL_SERVER_ERROR, NOT_SIGNED);
                return Box::new(failed);
            }
        };
        let before = self.forwarder.clock.monotonic().saturating_sub(received).saturating_sub(waited);
        let (credential, principal) = (credential.as_ref(), caller.as_deref());
        let is_see_through = self.is_see_through();
        let again = credential.is_some().then(|| Again::of(&head.method, &headers, &bytes));
        let outgoing = Outgoing::new(head.method.clone(), headers, Payload::Collected(bytes.clone()));
        let outgoing = outgoing.see_through(is_see_through);
        let again = || self.once_more(again?, caller.as_ref());
        let forwarded = self.forwarder.forward(outgoing, &uri, again, credential, principal).await;
        if let Some(credential) = credential {
            record.departed(credential, forwarded.as_ref().ok().map(|answer| answer.status()));
        }
        match forwarded {
            Ok(answer) => {
                let answer =
                    self.pass_back(answer, caller.as_ref(), authorization, &session, unwelcome, before);
                match cut {
                    Some(cut) => self.cut(answer, cut, asked, &bytes).await,
                    None => answer,
                }
            }
            Err(error) => self.not_answered(asked, &bytes, &error),
        }
    }

    /// The second attempt; what is said of the caller is signed for each.
    #[cold]
    fn once_more(&self, again: Again, caller: Option<&Verified>) -> Option<Outgoing> {
        let mut outgoing = again.request()?;
        if let Some(caller) = caller {
            self.identity.tell(outgoing.headers_mut(), caller, &*self.forwarder.clock).ok()?;
        }
        Some(outgoing)
    }

    #[cold]
    fn not_answered(&self, asked: Asked, request: &[u8], error: &ForwardError) -> Answered {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(guard = %self.guard.settings().name, %error, cause, "no usable answer from behind");
        Box::new(asked.with_body(request).failure(error))
    }

    /// What a request carries that came with these headers, and how long somebody else was waited for to know it; `None`:
    /// nothing, since no provider's token belongs to it.
    async fn credential(
        &self,
        came_with: &HeaderMap,
        caller: Option<&Verified>,
    ) -> Result<(Option<Credential<'_>>, Duration), (&Provider, AttachError)> {
        let Some(provider) = &self.provider else { return Ok((None, Duration::ZERO)) };
        let began = provider.tokens.may_wait().then(|| self.forwarder.clock.monotonic());
        let asks_for_caller = provider.tokens.asks_for_caller();
        let token = if asks_for_caller { came_with.get(AUTHORIZATION).and_then(presented) } else { None };
        let principal = caller.map(Deref::deref);
        let owner = principal.zip(token.as_ref()).map(|(principal, token)| Caller { principal, token });
        let credential = provider.credential(came_with, owner.as_ref(), &*self.forwarder.clock).await;
        let credential = credential.map_err(|error| (&**provider, error))?;
        let waited = began.map(|began| self.forwarder.clock.monotonic().saturating_sub(began));
        Ok((Some(credential), waited.unwrap_or_default()))
    }

    async fn cut(&self, answer: Answered, cut: Cut, asked: Asked, request: &[u8]) -> Answered {
        match cut.apply(answer).await {
            Ok(answer) => answer,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(guard = %self.guard.settings().name, %error, cause, "an answer from behind was not passed on");
                Box::new(asked.with_body(request).error(StatusCode::BAD_GATEWAY, NOT_READABLE))
            }
        }
    }

    /// The upstream's answer for the caller.
    fn pass_back(
        &self,
        mut answer: Answered,
        caller: Option<&Verified>,
        authorization: Option<HeaderValue>,
        session: &SessionUse,
        unwelcome: Option<Rejection>,
        overhead: Duration,
    ) -> Answered {
        let clock = &*self.forwarder.clock;
        let answered = clock.monotonic();
        let headers = answer.headers_mut();
        if self.is_see_through() {
            headers::clean_hop(headers);
        } else {
            headers::clean_response(headers);
        }
        if unwelcome.is_none() {
            cors::forget(headers);
        }
        location::rewrite(headers, &self.upstream, self.guard.settings().resource.as_str());
        if let Some(caller) = caller {
            if answer.status().is_success() {
                match session {
                    SessionUse::Ends(id) => self.sessions.closed(id),
                    SessionUse::None => self.sessions.opened(answer.headers(), caller),
                    SessionUse::Continues => {}
                }
            }
            while_it_holds(&mut answer, || self.ticket(caller, authorization));
        }
        let overhead = overhead + clock.monotonic().saturating_sub(answered);
        let guard = &self.guard.settings().name;
        self.forwarder.observer.proxied(overhead, || Event::Proxied { guard: guard.clone(), overhead });
        answer
    }

    /// By what a caller's stream lives; `None`: the guard only observes, and ends nothing.
    fn ticket(&self, caller: &Verified, authorization: Option<HeaderValue>) -> Option<Ticket> {
        let authorization = authorization.filter(|_| self.guard.enforces_for(caller))?;
        // A copy: the header is a piece of what was read from the connection, all of which would be kept with it.
        let mut own = HeaderValue::from_bytes(authorization.as_bytes()).unwrap_or(authorization);
        own.set_sensitive(true);
        Some(Ticket {
            caller: caller.clone(),
            grace: self.stream_grace,
            clock: self.forwarder.clock.clone(),
            token: Arc::new(Presented { guard: self.guard.clone(), authorization: own }),
        })
    }

    /// While a guard does not refuse everybody it should, the server behind must go on verifying by itself: its callers'
    /// credentials and its own challenges pass, as they did before there was a guard. It is the resource that the tokens
    /// were issued for.
    fn is_see_through(&self) -> bool {
        self.guard.settings().mode != Mode::default() && self.provider.is_none()
    }

    /// What of a request's headers goes on, and what is said of it; all but the provider's token. Beside them the
    /// caller's own credential, which a stream looks at again when it outlives a verdict. Nothing stays with the head.
    fn take_headers(
        &self,
        head: &mut Parts,
        peer: Option<IpAddr>,
        caller: Option<&Verified>,
        is_cut: bool,
    ) -> Result<(HeaderMap, Option<HeaderValue>), SigningError> {
        let Taken { mut headers, authorization, host } =
            headers::take_judged(head, &self.reserved, self.is_see_through());
        headers::set_forwarded(&mut headers, peer, host, self.proto);
        if let Some(caller) = caller {
            self.identity.tell(&mut headers, caller, &*self.forwarder.clock)?;
        }
        if is_cut {
            listing::ask_plainly(&mut headers);
        }
        Ok((headers, authorization))
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
