//! Time that moves by itself as soon as everybody waits, from one sleeper's end to the next.
//!
//! `ManualClock` wakes every sleeper with every step; here are thousands of them for many hours, so each is woken once.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bearward_token::Clock;
use bearward_token::clock::Sleep;

/// The clocks of the machine that the manager runs on, and the time that really passes. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct WorldClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    monotonic: Duration,
    /// How far the wall clock is ahead of the monotonic one.
    wall_ahead_ms: i64,
    /// How long the machine was suspended in all.
    suspended: Duration,
    /// When it was last suspended or set, on the monotonic clock.
    disturbed: Duration,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    next: u64,
}

/// One moment on all three.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Instant {
    /// Stands still in suspension.
    pub monotonic: Duration,
    /// May jump.
    pub wall_ms: u64,
    /// What passes for everybody else.
    pub truth: Duration,
    /// Since when the machine's clocks go as they should, on the monotonic one.
    pub undisturbed_since: Duration,
}

impl WorldClock {
    /// At noon of some day.
    pub fn new() -> Self {
        let state = State {
            monotonic: Duration::ZERO,
            wall_ahead_ms: 1_800_000_000_000,
            suspended: Duration::ZERO,
            disturbed: Duration::ZERO,
            sleepers: BTreeMap::new(),
            next: 0,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Now.
    pub fn now(&self) -> Instant {
        let state = self.state();
        Instant {
            monotonic: state.monotonic,
            wall_ms: millis(state.monotonic).saturating_add_signed(state.wall_ahead_ms),
            truth: state.monotonic + state.suspended,
            undisturbed_since: state.disturbed,
        }
    }

    /// Goes to the end of the sleep that ends first, and wakes who sleeps until then.
    pub fn move_on(&self) {
        let mut woken = Vec::new();
        {
            let mut state = self.state();
            let Some((&(until, _), _)) = state.sleepers.first_key_value() else { return };
            state.monotonic = until.max(state.monotonic);
            while let Some(entry) = state.sleepers.first_entry().filter(|entry| entry.key().0 <= until) {
                woken.push(entry.remove());
            }
        }
        woken.into_iter().for_each(Waker::wake);
    }

    /// Somebody sets the wall clock.
    pub fn step_wall(&self, by_ms: i64) {
        let mut state = self.state();
        state.wall_ahead_ms += by_ms;
        state.disturbed = state.monotonic;
    }

    /// The machine sleeps: to it, only the wall clock has gone on.
    pub fn suspend(&self, by: Duration) {
        let mut state = self.state();
        state.suspended += by;
        state.disturbed = state.monotonic;
        state.wall_ahead_ms = state.wall_ahead_ms.saturating_add_unsigned(millis(by));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for WorldClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for WorldClock {
    fn unix_ms(&self) -> u64 {
        self.now().wall_ms
    }

    fn monotonic(&self) -> Duration {
        self.state().monotonic
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let until = self.monotonic().saturating_add(duration);
        Box::pin(Sleeping { clock: self.clone(), until, place: None })
    }
}

struct Sleeping {
    clock: WorldClock,
    until: Duration,
    place: Option<u64>,
}

impl Future for Sleeping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut state = clock.state();
        if state.monotonic >= self.until {
            return Poll::Ready(());
        }
        let place = self.place.unwrap_or(state.next);
        if self.place.is_none() {
            state.next += 1;
        }
        self.place = Some(place);
        state.sleepers.insert((self.until, place), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let _ = self.clock.state().sleepers.remove(&(self.until, place));
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
