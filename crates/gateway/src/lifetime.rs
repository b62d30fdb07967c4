//! Ends an event stream when the token that opened it does not hold any more: it has died, was revoked, its key was
//! withdrawn, its issuer says so (SPEC PX-5).
//!
//! What is told at once ends it at once; the rest is asked again every minute, as long as a verdict may stand anyway.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bearward_guard::guard::Standing;
use bearward_guard::{Guard, Verified};
use bearward_token::Clock;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::body::{self, Body, BodyError};

/// How often it is asked whether the token still holds (DESIGN: a verdict stands for at most 60 s).
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// By what a stream lives.
pub struct Ticket {
    /// Who opened it.
    pub caller: Verified,
    /// How long it outlives its token.
    pub grace: Duration,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whether the token still holds.
    pub token: Arc<dyn Holds>,
}

/// Tells of one token whether it still holds.
pub trait Holds: Send + Sync {
    /// Looks at it again.
    fn look(&self) -> Looking<'_>;

    /// Completes when it was revoked.
    fn revoked<'a>(&'a self, caller: &'a Verified) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// What [`Holds`] answers with.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Standing> + Send + 'a>>;

/// A token, as it was presented, and the guard that let it in.
pub struct Presented {
    /// The guard.
    pub guard: Arc<Guard>,
    /// The `Authorization` header.
    pub authorization: HeaderValue,
}

impl Holds for Presented {
    fn look(&self) -> Looking<'_> {
        Box::pin(self.guard.look_again(&self.authorization))
    }

    fn revoked<'a>(&'a self, caller: &'a Verified) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let revocations = &self.guard.settings().revocations;
            let mut changes = revocations.follow();
            // It may have been revoked between its request's admission and now.
            while !revocations.is_revoked(caller) {
                if changes.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        })
    }
}

/// Wraps the answer's body if it is an event stream: it then ends with its token, as if the upstream had ended it. Other
/// bodies end by themselves and are left alone; for them no ticket is made.
pub fn while_it_holds(answer: &mut Response<Body>, ticket: impl FnOnce() -> Option<Ticket>) {
    if let Some(ticket) = is_event_stream(answer.headers()).then(ticket).flatten() {
        let body = std::mem::replace(answer.body_mut(), body::empty());
        *answer.body_mut() = body::other(Until { body, end: Box::pin(ticket.end()), is_over: false });
    }
}

impl Ticket {
    async fn end(mut self) {
        let token = self.token.clone();
        let mut end = self.known_end();
        loop {
            let left = self.left_until(end);
            if left.is_zero() {
                return;
            }
            let caller = self.caller.clone();
            tokio::select! {
                () = self.clock.sleep(left.min(ASK_AGAIN)) => {}
                () = token.revoked(&caller) => return,
            }
            if self.left_until(end).is_zero() {
                return;
            }
            match token.look().await {
                Standing::Holds(caller) if caller.expires_at != self.caller.expires_at => {
                    self.caller = caller;
                    end = self.known_end();
                }
                // An issuer that is down ends nothing.
                Standing::Holds(_) | Standing::Unknown => {}
                Standing::Gone => return,
            }
        }
    }

    /// When it is over, since the Unix epoch; `None` where the token names no end of its own.
    fn known_end(&self) -> Option<Duration> {
        let now = Duration::from_millis(self.clock.unix_ms());
        let expiry = Duration::from_secs(self.caller.expires_at);
        let end = expiry + self.grace;
        // A token that came in by the verifier's mercy alone gets its answer by the same.
        let end = if now < expiry { end } else { end.max(Duration::from_millis(self.caller.dies_at_ms())) };
        self.caller.has_end().then_some(end)
    }

    fn left_until(&self, end: Option<Duration>) -> Duration {
        let now = Duration::from_millis(self.clock.unix_ms());
        end.map_or(ASK_AGAIN, |end| end.saturating_sub(now))
    }
}

/// Whether an answer with these headers is an event stream.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return false };
    // What most answers are.
    if kind == "application/json" {
        return false;
    }
    let kind = kind.to_str().unwrap_or("");
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

struct Until {
    body: Body,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_over: bool,
}

impl HttpBody for Until {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.is_over || self.end.as_mut().poll(cx).is_ready() {
            self.is_over = true;
            // Dropping the upstream's body ends its request too (SPEC PX-6).
            self.body = crate::body::empty();
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests;
