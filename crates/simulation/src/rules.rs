//! When a server may be asked again after it failed: the rules as they are written (docs/guides/tokens.md), kept by who
//! is asked, and not by the code that is to keep them.
//!
//! - **Backoff**: after the n-th failure in a row a key waits, anywhere between nothing and 0.5 s · 2ⁿ⁻¹, at most 30 s.
//! - **Breaker**: after five failures in a row at one client of a server, nobody asks for 30 s, and then one alone.
//! - **Refused**: a key does not come again with the same secret within 30 s.

use std::collections::HashMap;
use std::time::Duration;

use bearward_supply::Failure;

use crate::chance::secs;

const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), secs(30));
const BREAKER: (u32, Duration) = (5, secs(30));
const REFUSED: Duration = secs(30);

/// What one client's keys were told, and when.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    keys: HashMap<usize, Told>,
    /// Failures in a row.
    failures: u32,
    open_until: Duration,
    /// The request that goes and sees whether the server is well again.
    probe: Option<usize>,
    /// The end of the longest pause that anything asked for.
    held_until: Duration,
}

/// What a key knows of its last request.
#[derive(Debug, Default)]
struct Told {
    /// Failures in a row.
    failures: i32,
    last: Option<Last>,
}

/// A request that brought nothing.
#[derive(Debug, Clone, Copy)]
struct Last {
    at: Duration,
    /// The secret that was refused.
    refused: Option<usize>,
}

/// A request, by the rules.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Verdict {
    /// Of one request; less where a retry came before its time.
    pub(crate) share: f64,
    /// It is a retry that nothing but backoff kept waiting.
    pub(crate) is_by_backoff: bool,
    pub(crate) is_beyond_breaker: bool,
    pub(crate) is_refused_again: bool,
}

impl Rules {
    /// A key asks.
    pub(crate) fn sent(&mut self, key: usize, secret: usize, now: Duration) -> Verdict {
        let is_beyond_breaker = self.failures >= BREAKER.0 && (now < self.open_until || self.probe.is_some());
        if self.failures >= BREAKER.0 && !is_beyond_breaker {
            self.probe = Some(key);
        }
        let Some((told, last)) = self.keys.get(&key).and_then(|told| Some((told, told.last?))) else {
            let share = if is_beyond_breaker { 0.0 } else { 1.0 };
            return Verdict { share, is_beyond_breaker, ..Verdict::default() };
        };
        let is_refused_again = last.refused == Some(secret) && now < last.at + REFUSED;
        let bound = BACKOFF.0.mul_f64(2_f64.powi(told.failures.clamp(1, 10) - 1)).min(BACKOFF.1);
        let waited = now - last.at;
        let is_by_backoff = last.refused.is_none() && waited <= bound && self.held_until <= last.at;
        // On average half of the bound is waited.
        let share = if is_by_backoff { waited.as_secs_f64() / (bound / 2).as_secs_f64() } else { 1.0 };
        let share = if is_beyond_breaker || is_refused_again { 0.0 } else { share };
        Verdict { share, is_by_backoff, is_beyond_breaker, is_refused_again }
    }

    /// It has a token.
    pub(crate) fn succeeded(&mut self, key: usize) {
        self.ended(key);
        self.failures = 0;
        self.keys.remove(&key);
    }

    /// It has none, with this secret and for this reason; or has stopped waiting.
    pub(crate) fn failed(&mut self, key: usize, secret: usize, why: Option<&Failure>, now: Duration) {
        self.ended(key);
        let refused = matches!(why, Some(Failure::Refused { .. })).then_some(secret);
        let told = self.keys.entry(key).or_default();
        told.last = Some(Last { at: now, refused });
        told.failures += i32::from(refused.is_none());
        // A server that says no works.
        if refused.is_some() || matches!(why, Some(Failure::RateLimited { .. })) {
            self.failures = 0;
        } else {
            self.failures += 1;
        }
        if self.failures >= BREAKER.0 {
            self.open_until = now + BREAKER.1;
        }
        let asked = now + why.and_then(Failure::asked_pause).unwrap_or_default();
        self.held_until = self.held_until.max(self.open_until).max(asked);
    }

    fn ended(&mut self, key: usize) {
        self.probe = self.probe.filter(|probe| *probe != key);
    }
}

#[cfg(test)]
mod tests;
