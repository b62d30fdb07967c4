//! Stands before one authorization server for one client: keeps to `Retry-After`, and leaves a failing
//! server alone (HARD 16).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Failure;

/// So many passing failures in a row open the breaker.
pub const BREAKER_THRESHOLD: u32 = 5;
/// So long it stays open before one probe goes through.
pub const BREAKER_PAUSE: Duration = Duration::from_secs(30);
/// `Retry-After` beyond this is cut.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Shared by all tokens of one issuer and client. All times are on the monotonic clock.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    closed_until: Duration,
    is_probing: bool,
}

/// Leave to make one request. Must be settled with what came of it; dropped unsettled, it counts as
/// nothing, and another may probe.
#[derive(Debug)]
pub struct Pass<'a> {
    gate: &'a Gate,
}

/// The gate is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// For so long.
    pub left: Duration,
    /// After so many failures; below [`BREAKER_THRESHOLD`] it is the server's own wish.
    pub failures: u32,
}

impl Gate {
    /// Asks for leave at `now`.
    ///
    /// # Errors
    /// How long to wait.
    pub fn pass(&self, now: Duration) -> Result<Pass<'_>, Closed> {
        let mut state = self.state();
        let left = state.closed_until.saturating_sub(now);
        if !left.is_zero() {
            return Err(Closed { left, failures: state.failures });
        }
        if state.failures >= BREAKER_THRESHOLD {
            if state.is_probing {
                return Err(Closed { left: Duration::from_secs(1), failures: state.failures });
            }
            state.is_probing = true;
        }
        Ok(Pass { gate: self })
    }

    /// True while the breaker is open or waits for its probe's answer.
    pub fn is_open(&self) -> bool {
        self.state().failures >= BREAKER_THRESHOLD
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// The request was answered with a token.
    pub fn succeeded(self) {
        let mut state = self.gate.state();
        state.failures = 0;
        state.closed_until = Duration::ZERO;
    }

    /// The request failed at `now`.
    pub fn failed(self, failure: &Failure, now: Duration) {
        let mut state = self.gate.state();
        if let Some(pause) = failure.asked_pause() {
            state.closed_until = state.closed_until.max(now + pause.min(LONGEST_RETRY_AFTER));
        }
        // A server that says 429 works; it must not be taken for a broken one.
        if !failure.is_passing() || matches!(failure, Failure::RateLimited { .. }) {
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= BREAKER_THRESHOLD {
            state.closed_until = state.closed_until.max(now + BREAKER_PAUSE);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.state().is_probing = false;
    }
}

#[cfg(test)]
mod tests;
