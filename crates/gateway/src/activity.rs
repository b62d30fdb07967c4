//! Notices connections that do nothing: each costs a file descriptor, which anybody can ask for without a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Response;

use crate::body::Body;

/// What happens on one connection. The lower half counts requests whose answers are not complete. The upper half counts those
/// that have come and those that have ended: whoever looks twice sees whether something happened. It may begin anew, for
/// nobody has so many between two looks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity(Arc<AtomicU64>);

/// One in the upper half.
const EVENT: u64 = 1 << u32::BITS;

/// One open request. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Open(Activity);

/// How long a connection may do nothing. It is looked at a few times in that, and may have a little longer.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Before its first request.
    pub first: Duration,
    /// Between two.
    pub between: Duration,
}

/// So often it is looked at.
const LOOKS: u32 = 4;

impl Default for Patience {
    fn default() -> Self {
        Self { first: Duration::from_secs(15), between: Duration::from_secs(120) }
    }
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A request has come.
    pub(crate) fn open(&self) -> Open {
        self.0.fetch_add(EVENT + 1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// Completes when nothing has happened for too long. No request reads a clock for it.
    pub(crate) async fn idle(&self, patience: Patience) {
        tokio::time::sleep(patience.first).await;
        let mut seen = 0;
        let mut looks = LOOKS;
        loop {
            let counts = self.0.load(Ordering::Relaxed);
            let (events, is_busy) = (counts / EVENT, !counts.is_multiple_of(EVENT));
            if events == 0 {
                return;
            }
            looks = if is_busy || events != seen { 0 } else { looks + 1 };
            if looks == LOOKS {
                return;
            }
            seen = events;
            tokio::time::sleep(patience.between / LOOKS).await;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.fetch_add(EVENT - 1, Ordering::Relaxed);
    }
}

/// Keeps a request open until its answer's body has been sent or dropped.
pub(crate) fn until_sent(answer: Response<Body>, open: Open) -> Response<Body> {
    answer.map(|body| body.keeping(open))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

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
        assert_eq!(
            idle_after(&activity).await,
            Some(135),
            "two minutes, and up to half a minute until it is seen"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_an_open_request_is_never_idle() {
        let activity = Activity::new();
        let (one, two) = (activity.open(), activity.open());
        drop(one);
        assert_eq!(idle_after(&activity).await, None);
        drop(two);
        assert_eq!(idle_after(&activity).await, Some(135));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_something_happens_now_and_then_is_not_idle() {
        let activity = Activity::new();
        let asking = async {
            for _ in 0..60 {
                tokio::time::sleep(Duration::from_secs(110)).await;
                drop(activity.open());
            }
        };
        drop(activity.open());
        tokio::select! {
            () = activity.idle(Patience::default()) => panic!("it was asked something every two minutes"),
            () = asking => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_open_until_its_answer_is_sent() {
        let activity = Activity::new();
        let answer = until_sent(Response::new(crate::body::full("x")), activity.open());
        assert_eq!(idle_after(&activity).await, None);
        drop(answer);
        assert_eq!(idle_after(&activity).await, Some(135));
    }
}
