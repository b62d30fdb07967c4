//! Stands before one authorization server for one client: keeps to `Retry-After`, leaves a failing server alone
//! (HARD 16), and makes what is left of a quota last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Failure;
use crate::quota::{Limit, Quota};

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
    /// What the server said of how much it may be asked.
    limits: Vec<Known>,
    /// The last request that was let through.
    last: Duration,
}

/// A limit, less what was asked since it was told.
#[derive(Debug)]
struct Known {
    limit: Limit,
    /// When it begins anew.
    until: Duration,
    /// The server itself has said that less than a fifth is left.
    was_told_low: bool,
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
        if let Some(left) = state.quota_pause(now, urgency) {
            return Err(Closed::Spent { left });
        }
        let (failures, left) = (state.failures, state.open_until.saturating_sub(now));
        if failures >= BREAKER_THRESHOLD {
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
        state.last = now;
        state.limits.iter_mut().for_each(|known| known.limit.left = known.limit.left.saturating_sub(1));
        Ok(Pass { gate: self })
    }

    /// Takes in what the server said at `now`; answers for each limit whether less than a fifth is left, for the first
    /// time in its period.
    pub fn learn(&self, quota: &Quota, now: Duration) -> Vec<bool> {
        let mut state = self.state();
        let mut before = std::mem::take(&mut state.limits);
        let take_in = |limit: &Limit| {
            // Each once: two limits may have the same name, and come in the same order every time.
            let old = before.iter().position(|old| old.limit.name == limit.name).map(|at| before.remove(at));
            let was_told_low = old.is_some_and(|old| old.was_told_low && now < old.until);
            let is_low = limit.is_low();
            let known =
                Known { limit: *limit, until: now + limit.resets_in, was_told_low: was_told_low || is_low };
            (known, is_low && !was_told_low)
        };
        let new;
        (state.limits, new) = quota.limits.iter().map(take_in).unzip();
        new
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
    /// How long the quota closes the gate. Who must have a token gets the last one there is; who can wait does, so that
    /// what is left lasts until it begins anew.
    fn quota_pause(&self, now: Duration, urgency: Urgency) -> Option<Duration> {
        let pause = |Known { limit, until, .. }: &Known| {
            let resets_in = until.saturating_sub(now);
            if limit.left == 0 {
                return resets_in;
            }
            match urgency {
                Urgency::Ahead if limit.is_low() => {
                    let spacing = Limit { resets_in, ..*limit }.spacing();
                    (self.last + spacing).saturating_sub(now)
                }
                _ => Duration::ZERO,
            }
        };
        self.limits.iter().map(pause).max().filter(|pause| !pause.is_zero())
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
        state.cause = failure.to_string().into();
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
