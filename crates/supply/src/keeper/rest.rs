//! What a keeper does between two requests: it waits, and can be woken.

use std::time::Duration;

use crate::entry::Entry;

/// A rest looks at the clocks so often.
const GLANCE: Duration = Duration::from_secs(60);

impl Entry {
    /// Sleeps within a flight. A clean end does not wait for that.
    pub(super) async fn pause(&self, pause: Duration) {
        let mut sleep = self.clock.sleep(pause);
        while !self.is_stopped() {
            tokio::select! {
                () = &mut sleep => return,
                // The end, or a notice that is left over from a flight that has ended since.
                () = self.wanted.notified() => {}
            }
        }
    }

    /// Rests, unless a caller wants the token earlier.
    pub(super) async fn rest(&self, pause: Duration) {
        let end = self.clock.monotonic() + pause;
        loop {
            tokio::select! {
                () = self.nap(self.left_of_rest(end)) => {}
                // A notice may be left over from a flight that has ended since.
                () = self.wanted.notified() => {}
            }
            let is_over = self.left_of_rest(end).is_zero();
            let mut state = self.state();
            // After a logout nothing is fetched before somebody asks.
            let is_due = is_over && !state.is_logged_out;
            if state.is_fetching || self.is_over(&state) || is_due {
                state.is_fetching = true;
                return;
            }
        }
    }

    /// A part of a rest; without end when the rest is over and a logout keeps the task from what comes next.
    async fn nap(&self, left: Duration) {
        match left.is_zero() && self.state().is_logged_out {
            true => std::future::pending().await,
            false => self.clock.sleep(left.min(GLANCE)).await,
        }
    }

    /// After a failure a rest is a pause. Else it lasts until the refresh is due, by clocks that may have been set since it
    /// began, or stood still while the machine was suspended (HARD 9).
    fn left_of_rest(&self, end: Duration) -> Duration {
        let (is_failing, not_before) = {
            let state = self.state();
            (state.failed.is_some(), state.not_before)
        };
        let now = self.clock.monotonic();
        match self.current.load_full().filter(|_| !is_failing) {
            Some(held) => held.refresh_at.left(&*self.clock).max(not_before.saturating_sub(now)),
            None => end.saturating_sub(now),
        }
    }
}
