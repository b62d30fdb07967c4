//! A limit on how long an answer may take, for connections that carry many: set for each, it costs a timer for the first
//! alone.
//!
//! The timer is left to run when an answer has come in time. When it rings, it is looked at for whom.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// Rings for a connection.
pub(crate) struct Alarm {
    timer: Pin<Box<Sleep>>,
    deadline: Instant,
}

impl Alarm {
    /// Wakes `waker`, which must be the same each time, no later than after `limit`.
    pub(crate) fn new(limit: Duration, waker: &Waker) -> Self {
        let deadline = Instant::now() + limit;
        let mut alarm = Self { timer: Box::pin(sleep_until(deadline)), deadline };
        alarm.register(waker);
        alarm
    }

    /// For another answer.
    pub(crate) fn set(&mut self, limit: Duration, waker: &Waker) {
        self.deadline = Instant::now() + limit;
        if self.timer.is_elapsed() || self.deadline < self.timer.deadline() {
            self.wind(waker);
        }
    }

    /// Whether the limit is over.
    pub(crate) fn is_over(&mut self, waker: &Waker) -> bool {
        if !self.timer.is_elapsed() {
            return false;
        }
        let is_over = Instant::now() >= self.deadline;
        if !is_over {
            self.wind(waker);
            // It may have been over meanwhile, and would not ring.
            return self.timer.is_elapsed();
        }
        true
    }

    fn wind(&mut self, waker: &Waker) {
        self.timer.as_mut().reset(self.deadline);
        self.register(waker);
    }

    fn register(&mut self, waker: &Waker) {
        // Also where the task has used up its turn, or it would never ring.
        let _ = pin!(unconstrained(self.timer.as_mut())).poll(&mut Context::from_waker(waker));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::woken::Woken;

    const MINUTE: Duration = Duration::from_secs(60);

    async fn after(time: Duration) {
        tokio::time::sleep(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_rings_when_its_limit_is_over() {
        let rung = Arc::<Woken>::default();
        let waker = Waker::from(rung.clone());
        let mut alarm = Alarm::new(MINUTE, &waker);
        after(MINUTE / 2).await;
        assert!(!alarm.is_over(&waker) && rung.times() == 0);
        after(MINUTE).await;
        assert!(alarm.is_over(&waker) && rung.times() == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_set_again_rings_for_the_last_limit() {
        let rung = Arc::<Woken>::default();
        let waker = Waker::from(rung.clone());
        let mut alarm = Alarm::new(MINUTE, &waker);
        after(MINUTE / 2).await;
        alarm.set(MINUTE, &waker);
        after(MINUTE * 3 / 4).await;
        assert_eq!(rung.times(), 1, "for the first, which needed it no more");
        assert!(!alarm.is_over(&waker));
        after(MINUTE).await;
        assert!(alarm.is_over(&waker) && rung.times() == 2);
        alarm.set(MINUTE, &waker);
        assert!(!alarm.is_over(&waker), "for the next it begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_limit_after_a_longer_one_is_kept() {
        let rung = Arc::<Woken>::default();
        let waker = Waker::from(rung.clone());
        let mut alarm = Alarm::new(MINUTE * 60, &waker);
        alarm.set(MINUTE, &waker);
        after(MINUTE * 2).await;
        assert!(alarm.is_over(&waker) && rung.times() == 1);
    }
}
