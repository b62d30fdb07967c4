//! Stands before one authorization server for one client: keeps to `Retry-After`, leaves a failing server alone
//! (HARD 16), makes what is left of a quota last, and lets who was held back come one after the other.

mod limits;
mod turns;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Failure;
use crate::quota::Quota;
use limits::{Counted, Limits};
use turns::Turns;

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
    /// The last of them, in words.
    cause: Arc<str>,
    /// The breaker's own pause.
    open_until: Duration,
    /// What the server asked for. A success does not end it: another request may have been let through before.
    asked_until: Duration,
    is_probing: bool,
    limits: Limits,
    turns: Turns,
}

/// Whether a token is needed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Callers wait for it.
    Needed,
    /// The old one still works: a refresh ahead of time, which can wait for a while.
    Ahead,
}

/// Leave to make one request. Must be settled with what came of it; dropped unsettled, it counts as
/// nothing, and another may probe.
#[derive(Debug)]
pub struct Pass<'a> {
    gate: &'a Gate,
    counted: Counted,
    is_probe: bool,
}

/// The gate is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
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
        /// The last of them.
        cause: Arc<str>,
    },
    /// The quota is spent, or so low that what can wait does.
    Spent {
        /// For so long.
        left: Duration,
    },
}

impl Closed {
    /// How long to wait.
    pub fn left(&self) -> Duration {
        match self {
            Self::Asked { left } | Self::Open { left, .. } | Self::Spent { left } => *left,
        }
    }
}

impl Gate {
    /// Asks for leave at `now`.
    ///
    /// # Errors
    /// How long to wait.
    pub fn pass(&self, now: Duration, urgency: Urgency) -> Result<Pass<'_>, Closed> {
        let mut state = self.state();
        let left = state.asked_until.saturating_sub(now);
        if !left.is_zero() {
            return Err(Closed::Asked { left });
        }
        if let Some(left) = state.limits.pause(now, urgency) {
            return Err(Closed::Spent { left });
        }
        let (failures, left) = (state.failures, state.open_until.saturating_sub(now));
        let is_probe = failures >= BREAKER_THRESHOLD;
        if is_probe {
            if !left.is_zero() {
                return Err(Closed::Open { left, failures, cause: state.cause.clone() });
            }
            if state.is_probing {
                return Err(Closed::Open {
                    left: Duration::from_secs(1),
                    failures,
                    cause: state.cause.clone(),
                });
            }
            state.is_probing = true;
        }
        Ok(Pass { gate: self, counted: state.limits.count(now), is_probe })
    }

    /// When one who is held back until `end` is to come back: then, or a little later, for others are held back too.
    /// `jitter` is in `0.0..1.0`.
    pub fn turn(&self, end: Duration, urgency: Urgency, jitter: f64) -> Duration {
        self.state().turns.take(end, urgency, jitter)
    }

    /// How long the server is to be left alone by requests for something else than a token; `None`: it need not be.
    pub fn held_back(&self, now: Duration) -> Option<Duration> {
        let state = self.state();
        let end = match state.failures {
            failures if failures >= BREAKER_THRESHOLD => state.asked_until.max(state.open_until),
            _ => state.asked_until,
        };
        Some(end.saturating_sub(now)).filter(|left| !left.is_zero())
    }

    /// Such a request was answered at `now` with a pause that is to be kept to.
    pub fn hold_back(&self, pause: Duration, now: Duration) {
        self.state().hold_back(pause, now);
    }

    /// Takes in what the server said at `now`; answers for each limit whether less than a fifth is left, for the first
    /// time in its period.
    pub fn learn(&self, quota: &Quota, now: Duration) -> Vec<bool> {
        let mut state = self.state();
        quota.limits.iter().map(|limit| state.limits.learn(*limit, now)).collect()
    }

    /// True while the breaker is open or waits for its probe's answer.
    pub fn is_open(&self) -> bool {
        self.state().failures >= BREAKER_THRESHOLD
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn hold_back(&mut self, pause: Duration, now: Duration) {
        self.asked_until = self.asked_until.max(now + pause.min(LONGEST_RETRY_AFTER));
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
        if failure.never_left() {
            state.limits.give_back(self.counted);
        }
        if let Some(pause) = failure.asked_pause() {
            state.hold_back(pause, now);
        }
        // A server that refuses or says 429 works; it must not be taken for a broken one.
        if matches!(failure, Failure::Refused { .. } | Failure::RateLimited { .. }) {
            state.failures = 0;
        }
        if !failure.counts_for_breaker() {
            return;
        }
        state.failures = state.failures.saturating_add(1);
        state.cause = failure.to_string().into();
        if state.failures >= BREAKER_THRESHOLD {
            state.open_until = state.open_until.max(now + BREAKER_PAUSE);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        // Others may have been let through before the breaker opened.
        if self.is_probe {
            self.gate.state().is_probing = false;
        }
    }
}

#[cfg(test)]
mod tests;
