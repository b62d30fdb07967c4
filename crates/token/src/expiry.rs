//! The moment after which a token is dead, proof against clocks that jump or stand still.

use std::time::Duration;

use crate::Clock;

/// When something ends, on both clocks.
///
/// Dead as soon as *either* clock says so (HARD 9): the monotonic clock catches a wall clock that was set
/// back, the wall clock catches a machine that was suspended. A wall clock set forward makes a token die
/// early, which costs one request and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    unix_ms: u64,
    monotonic: Duration,
}

impl Expiry {
    /// Ends `lifetime` after now.
    pub fn after(clock: &dyn Clock, lifetime: Duration) -> Self {
        Moment::now(clock).plus(lifetime)
    }

    /// Time left on the clock that says less; zero when dead.
    pub fn left(&self, clock: &dyn Clock) -> Duration {
        self.left_at(&Moment::now(clock))
    }

    /// The same at a moment that was read already: reading two clocks costs more than everything else here.
    pub fn left_at(&self, now: &Moment) -> Duration {
        let wall = Duration::from_millis(self.unix_ms.saturating_sub(now.unix_ms));
        let monotonic = self.monotonic.saturating_sub(now.monotonic);
        wall.min(monotonic)
    }

    /// True from the very moment of the end on.
    pub fn is_past(&self, clock: &dyn Clock) -> bool {
        self.left(clock).is_zero()
    }

    /// How long it is dead, on the clock that says more; zero while it is not.
    pub fn past(&self, clock: &dyn Clock) -> Duration {
        let now = Moment::now(clock);
        let wall = Duration::from_millis(now.unix_ms.saturating_sub(self.unix_ms));
        wall.max(now.monotonic.saturating_sub(self.monotonic))
    }

    /// The end on the wall clock, milliseconds since the Unix epoch.
    pub fn unix_ms(&self) -> u64 {
        self.unix_ms
    }

    /// The same end, moved to an earlier time.
    #[must_use]
    pub fn earlier_by(&self, lead: Duration) -> Self {
        Self {
            unix_ms: self.unix_ms.saturating_sub(u64::try_from(lead.as_millis()).unwrap_or(u64::MAX)),
            monotonic: self.monotonic.saturating_sub(lead),
        }
    }
}

/// A moment on both clocks, kept so that an expiry can count from when a request was *sent*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    unix_ms: u64,
    monotonic: Duration,
}

impl Moment {
    /// Reads both clocks.
    pub fn now(clock: &dyn Clock) -> Self {
        let (unix_ms, monotonic) = clock.both();
        Self { unix_ms, monotonic }
    }

    /// The expiry that lies `lifetime` after this moment.
    pub fn plus(&self, lifetime: Duration) -> Expiry {
        Expiry {
            unix_ms: self.unix_ms.saturating_add(u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX)),
            monotonic: self.monotonic.saturating_add(lifetime),
        }
    }
}

#[cfg(test)]
mod tests;
