//! Who was held back comes back one after the other: else all keys of a client would ask in the very moment in which a
//! pause ends.
//!
//! ```text
//! pause ──────────┤1 2 3 4 5 …      the first at once, to see; the others a step apart, give or take
//!                 └ two lines: tokens that are needed, and refreshes ahead of time, whose steps are longer
//! ```
//! Where the line would be longer than its window, who comes last comes somewhere within it.

use std::time::Duration;

use super::Urgency;

/// How a line moves.
struct Pace {
    /// Between two turns, on average.
    step: Duration,
    /// So long after the pause the last of them comes.
    window: Duration,
}

/// Callers may wait: not for much longer than a flight would let them anyway.
const NEEDED: Pace = Pace { step: Duration::from_millis(20), window: Duration::from_secs(15) };
/// Nobody waits, and the old token lasts for some minutes still.
const AHEAD: Pace = Pace { step: Duration::from_millis(100), window: Duration::from_secs(60) };

/// When the next turn of each line is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    needed: Duration,
    ahead: Duration,
}

impl Turns {
    /// A turn after `end`, or at that very moment; `jitter` is in `0.0..1.0`.
    pub(super) fn take(&mut self, end: Duration, urgency: Urgency, jitter: f64) -> Duration {
        let (next, pace) = match urgency {
            Urgency::Needed => (&mut self.needed, NEEDED),
            Urgency::Ahead => (&mut self.ahead, AHEAD),
        };
        let turn = end.max(*next);
        if turn > end + pace.window {
            return end + pace.window.mul_f64(jitter.clamp(0.0, 1.0));
        }
        *next = turn + pace.step.mul_f64(0.5 + jitter.clamp(0.0, 1.0));
        turn
    }
}

#[cfg(test)]
mod tests;
