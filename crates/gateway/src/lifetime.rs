//! Ends an event stream when the token that opened it dies or is revoked (SPEC PX-5).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bearward_guard::{Revocations, Verified};
use bearward_token::Clock;
use bearward_token::clock::Sleep;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::body::{Body, BodyError};

/// Wraps an answer's body if it is an event stream: it then ends, as if the upstream had ended it, `grace`
/// after the caller's token has, or as soon as that is revoked. Other bodies end by themselves and are left alone.
pub fn until_expiry(
    body: Body,
    headers: &HeaderMap,
    caller: &Verified,
    grace: Duration,
    clock: &dyn Clock,
    revocations: &Arc<Revocations>,
) -> Body {
    if !is_event_stream(headers) {
        return body;
    }
    let now = Duration::from_millis(clock.unix_ms());
    let expiry = Duration::from_secs(caller.expires_at);
    let end = expiry + grace;
    // A token that came in by the verifier's mercy alone gets its answer by the same.
    let end = if now < expiry { end } else { end.max(Duration::from_millis(caller.dies_at_ms())) };
    let left = end.saturating_sub(now);
    let end = Box::pin(end_of(clock.sleep(left), caller.clone(), revocations.clone()));
    Until { body, end, is_over: false }.boxed_unsync()
}

/// Completes when the time is over, or as soon as the caller is revoked.
async fn end_of(time: Sleep, caller: Verified, revocations: Arc<Revocations>) {
    let mut changes = revocations.follow();
    let revoked = async {
        // It may have been revoked between its request's admission and now.
        while !revocations.is_revoked(&caller) {
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    };
    tokio::select! {
        () = time => {}
        () = revoked => {}
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
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
