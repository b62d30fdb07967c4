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
    /// Passing failures in a row.
    failures: u32,
    /// The breaker's own pause.
    open_until: Duration,
    /// What the server asked for. A success does not end it: another request may have been let through before.
    asked_until: Duration,
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
pub enum Closed {
    /// The server asked for a pause.
    Asked {
        /// What is left of it.
        left: Duration,
    },
    /// The breaker is open, or waits for its probe's answer.
    Open {
        /// For so long.
        left: Duration,
        /// After so many failures.
        failures: u32,
    },
}

impl Closed {
    /// How long to wait.
    pub fn left(self) -> Duration {
        match self {
            Self::Asked { left } | Self::Open { left, .. } => left,
        }
    }
}

impl Gate {
    /// Asks for leave at `now`.
    ///
    /// # Errors
    /// How long to wait.
    pub fn pass(&self, now: Duration) -> Result<Pass<'_>, Closed> {
        let mut state = self.state();
        let left = state.asked_until.saturating_sub(now);
        if !left.is_zero() {
            return Err(Closed::Asked { left });
        }
        let (failures, left) = (state.failures, state.open_until.saturating_sub(now));
        if failures >= BREAKER_THRESHOLD {
            if !left.is_zero() {
                return Err(Closed::Open { left, failures });
            }
            if state.is_probing {
                return Err(Closed::Open { left: Duration::from_secs(1), failures });
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
        self.gate.state().failures = 0;
    }

    /// The request failed at `now`.
    pub fn failed(self, failure: &Failure, now: Duration) {
        let mut state = self.gate.state();
        if let Some(pause) = failure.asked_pause() {
            state.asked_until = state.asked_until.max(now + pause.min(LONGEST_RETRY_AFTER));
        }
        // A server that refuses or says 429 works; it must not be taken for a broken one.
        if matches!(failure, Failure::Refused { .. } | Failure::RateLimited { .. }) {
            state.failures = 0;
        }
        if !failure.counts_for_breaker() {
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= BREAKER_THRESHOLD {
            state.open_until = state.open_until.max(now + BREAKER_PAUSE);
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
