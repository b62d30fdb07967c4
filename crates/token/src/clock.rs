//! Time as an argument, so that tests move it instead of sleeping.
//!
//! Two clocks are read, because each lies in its own way: the wall clock can be set by a person or by
//! NTP, the monotonic clock stands still while a machine is suspended. [`crate::Expiry`] uses both.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// A sleep handed out by a [`Clock`].
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Where time comes from.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Wall clock: milliseconds since the Unix epoch. May jump in both directions.
    fn unix_ms(&self) -> u64;

    /// Monotonic clock: time since some fixed start. Never goes back; may stand still in suspension.
    fn monotonic(&self) -> Duration;

    /// Completes once the monotonic clock has advanced by `duration`.
    fn sleep(&self, duration: Duration) -> Sleep;

    /// Both at once, for decisions that a hundredth of a second does not matter to: as old as that at most, and cheaper
    /// where the system has it so.
    fn both(&self) -> (u64, Duration) {
        (self.unix_ms(), self.monotonic())
    }

    /// Wall clock in whole seconds, rounded down: the unit of JWT's `NumericDate` (RFC 7519 §2).
    fn unix_seconds(&self) -> u64 {
        self.unix_ms() / 1000
    }
}

/// The machine's own clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: Instant,
    /// The same moment on the system's own monotonic clock.
    #[cfg(target_os = "linux")]
    began: Duration,
}

impl SystemClock {
    /// Starts the monotonic count at zero.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            #[cfg(target_os = "linux")]
            began: linux::read(linux::ClockId::Monotonic),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn unix_ms(&self) -> u64 {
        // A clock set before 1970 reads as 1970: every token then counts as not yet valid, which is the safe side.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    #[cfg(target_os = "linux")]
    fn both(&self) -> (u64, Duration) {
        let wall = linux::read(linux::ClockId::RealtimeCoarse);
        let monotonic = linux::read(linux::ClockId::MonotonicCoarse).saturating_sub(self.began);
        (u64::try_from(wall.as_millis()).unwrap_or(u64::MAX), monotonic)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The kernel's clocks as its last tick left them: a fifth of what the exact ones cost (clock_gettime(2)).
#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    pub(super) use rustix::time::ClockId;
    use rustix::time::{Timespec, clock_gettime};

    /// Time since the clock's own beginning; before it, zero.
    pub(super) fn read(clock: ClockId) -> Duration {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(tv_sec), u32::try_from(tv_nsec)) else {
            return Duration::ZERO;
        };
        Duration::new(seconds, nanos)
    }
}

/// A clock that only moves when it is told to. For tests.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Now>,
    moved: watch::Sender<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Now {
    unix_ms: u64,
    monotonic: Duration,
}

impl ManualClock {
    /// Starts at the given wall time (milliseconds since the Unix epoch), monotonic zero.
    pub fn at_unix_ms(unix_ms: u64) -> Self {
        Self {
            now: Mutex::new(Now { unix_ms, monotonic: Duration::ZERO }),
            moved: watch::channel(Duration::ZERO).0,
        }
    }

    /// Time passes on both clocks; sleepers whose time has come wake.
    pub fn advance(&self, by: Duration) {
        let monotonic = {
            let mut now = self.now();
            now.unix_ms = now.unix_ms.saturating_add(millis(by));
            now.monotonic += by;
            now.monotonic
        };
        self.moved.send_replace(monotonic);
    }

    /// Somebody sets the wall clock; no time passes.
    pub fn step_wall(&self, by_ms: i64) {
        let mut now = self.now();
        now.unix_ms = now.unix_ms.saturating_add_signed(by_ms);
    }

    /// The machine sleeps: the wall clock goes on, the monotonic clock does not.
    pub fn suspend(&self, by: Duration) {
        let mut now = self.now();
        now.unix_ms = now.unix_ms.saturating_add(millis(by));
    }

    /// How many sleeps are waiting right now; lets a test know that a task has reached its pause.
    pub fn sleepers(&self) -> usize {
        self.moved.receiver_count()
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn unix_ms(&self) -> u64 {
        self.now().unix_ms
    }

    fn monotonic(&self) -> Duration {
        self.now().monotonic
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let until = self.monotonic() + duration;
        let mut moved = self.moved.subscribe();
        Box::pin(async move {
            // The sender lives as long as the clock; without a clock no time passes and the sleep never ends.
            if moved.wait_for(|now| *now >= until).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
