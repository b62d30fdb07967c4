//! Notices connections that do nothing: each costs a file descriptor, which anybody can ask for without a token.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use crate::body::{Body, BodyError};

/// What happens on one connection.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Requests whose answers are not complete.
    open: u32,
    has_asked: bool,
    /// When the connection was made, or its last request ended.
    idle_since: Instant,
}

/// One open request. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    activity: Activity,
}

/// How long a connection may do nothing.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Before its first request.
    pub first: Duration,
    /// Between two.
    pub between: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first: Duration::from_secs(15), between: Duration::from_secs(120) }
    }
}

impl Activity {
    pub(crate) fn new() -> Self {
        let state = State { open: 0, has_asked: false, idle_since: Instant::now() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A request has come.
    pub(crate) fn open(&self) -> Open {
        let mut state = self.state();
        state.open += 1;
        state.has_asked = true;
        Open { activity: self.clone() }
    }

    /// Completes when nothing has happened for too long.
    pub(crate) async fn idle(&self, patience: Patience) {
        loop {
            let (until, is_busy) = {
                let state = self.state();
                let patience = if state.has_asked { patience.between } else { patience.first };
                (state.idle_since + patience, state.open > 0)
            };
            let now = Instant::now();
            if !is_busy && now >= until {
                return;
            }
            // A busy connection is looked at again later; nothing waits for this to be exact.
            tokio::time::sleep_until(until.max(now + Duration::from_secs(1))).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.open -= 1;
        state.idle_since = Instant::now();
    }
}

/// Keeps a request open until its answer's body has been sent or dropped.
pub(crate) fn until_sent(answer: Response<Body>, open: Open) -> Response<Body> {
    answer.map(|body| Sending { body, _open: open }.boxed_unsync())
}

struct Sending {
    body: Body,
    _open: Open,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long it takes until the connection counts as idle; `None` when it does not within ten minutes.
    async fn idle_after(activity: &Activity) -> Option<u64> {
        let began = Instant::now();
        let idle = tokio::time::timeout(Duration::from_secs(600), activity.idle(Patience::default())).await;
        idle.is_ok().then(|| began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_has_less_time_than_one_that_has_asked() {
        assert_eq!(idle_after(&Activity::new()).await, Some(15));
        let activity = Activity::new();
        drop(activity.open());
        assert_eq!(idle_after(&activity).await, Some(120));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_an_open_request_is_never_idle() {
        let activity = Activity::new();
        let (one, two) = (activity.open(), activity.open());
        drop(one);
        assert_eq!(idle_after(&activity).await, None);
        drop(two);
        assert_eq!(idle_after(&activity).await, Some(120));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_open_until_its_answer_is_sent() {
        let activity = Activity::new();
        let answer = until_sent(Response::new(crate::body::full("x")), activity.open());
        assert_eq!(idle_after(&activity).await, None);
        drop(answer);
        assert_eq!(idle_after(&activity).await, Some(120));
    }
}
