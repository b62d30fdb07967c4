//! Keeps one key's token fresh: one task, one request at a time.
//!
//! ```text
//! store ─► fetch ── token ──► rest until the soft window ──► fetch …
//!            │                       ▲ a caller wants it earlier
//!            └─ failure ──► rest for the backoff ──► fetch …           (for ever: HARD 7)
//! ```
//! Without a usable token a flight retries by itself for up to 15 s before it tells its callers; with one,
//! nobody waits, and each failure is followed by a rest. The task of a token that is kept on use alone ends when there
//! is nothing to watch over.

mod rest;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bearward_issuer::FetchError;
use bearward_observe::Event;
use bearward_token::Fingerprint;
use bearward_token::expiry::Moment;
use futures_util::FutureExt;

use crate::entry::{Entry, Failed, Upkeep};
use crate::error::Failure;
use crate::gate::{Closed, LONGEST_RETRY_AFTER, Urgency};
use crate::grant::Granted;
use crate::held::Held;
use crate::lifetime::floor;
use crate::quota::{Limit, Quota};

/// One attempt ends after this, whatever the grant does.
const ATTEMPT: Duration = Duration::from_secs(5);
/// A flight without a usable token gives up after this and tells its callers.
pub(crate) const TOTAL: Duration = Duration::from_secs(15);
/// An attempt that has less than this left is not made.
const WORTH_TRYING: Duration = Duration::from_secs(1);
/// Full-jitter backoff: the bound after the first failure, and the largest bound.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Least pause after a failure, for jitter may say zero.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// Pause after a refusal: nothing changes until a person or a new secret changes it.
pub(crate) const REFUSED_PAUSE: Duration = Duration::from_secs(30);
/// Between two requests that succeeded, whatever the lifetimes (HARD 8).
pub(crate) const MIN_INTERVAL: Duration = Duration::from_secs(1);
const DEAD_ON_ARRIVAL: &str =
    "its token was as good as expired when it arrived: the server is slower than its tokens live";

/// A failed flight: why, and how long to rest.
struct Rest {
    failure: Failure,
    pause: Duration,
    /// The version of the credential that it was made with.
    credential: Option<Fingerprint>,
}

/// What a flight brought.
struct Brought {
    held: Held,
    /// Asked for just now, and not found in the store.
    is_new: bool,
}

/// The task of one entry. It ends when the entry is stopped, and where nobody needs it any more.
pub(crate) async fn keep(entry: Arc<Entry>) {
    loop {
        let epoch = match entry.begins() {
            Begun::Flight { epoch } => epoch,
            Begun::LoggedOut => {
                if entry.is_done() {
                    return;
                }
                entry.rest(Duration::ZERO).await;
                continue;
            }
            Begun::Over => return,
        };
        // Nor must a store or a credential that nobody foresaw: callers would wait for a flight that never ends.
        let outcome = AssertUnwindSafe(entry.fetch()).catch_unwind().await;
        let outcome =
            outcome.unwrap_or(Err(Rest { failure: Failure::Fault, pause: REFUSED_PAUSE, credential: None }));
        let rest = entry.settle(outcome, epoch).await;
        if entry.is_done() {
            return;
        }
        entry.rest(rest).await;
    }
}

impl Entry {
    /// Begins the flight that was asked for, or is due.
    fn begins(&self) -> Begun {
        let mut state = self.state();
        if self.is_over(&state) {
            self.land(&mut state);
            return Begun::Over;
        }
        // It was asked for before the logout, or by nobody. Who joined it meanwhile asks again.
        if state.is_logged_out {
            self.land(&mut state);
            return Begun::LoggedOut;
        }
        Begun::Flight { epoch: state.epoch }
    }

    /// One flight.
    async fn fetch(&self) -> Result<Brought, Rest> {
        // Once: what stands there later was dropped here, or could not be removed at a logout.
        let is_shelf_read = std::mem::replace(&mut self.state().is_shelf_read, true);
        if let Some(shelf) = self.shelf().filter(|_| !is_shelf_read)
            && let Some(held) = shelf.load().await
        {
            return Ok(Brought { held, is_new: false });
        }
        self.looked.send_modify(|has| *has = true);
        let started = self.clock.monotonic();
        let not_before = self.state().not_before;
        self.pause(not_before.saturating_sub(started)).await;
        if self.is_stopped() {
            return Err(Rest { failure: Failure::Stopped, pause: Duration::ZERO, credential: None });
        }
        loop {
            let left = TOTAL.saturating_sub(self.clock.monotonic().saturating_sub(started));
            let rest = match self.attempt(ATTEMPT.min(left)).await {
                Ok(held) => return Ok(Brought { held, is_new: true }),
                Err(rest) => rest,
            };
            let would_end = self.clock.monotonic().saturating_sub(started) + rest.pause;
            let is_last = would_end + WORTH_TRYING >= TOTAL || self.is_stopped();
            if !rest.failure.is_passing() || self.usable().is_some() || is_last {
                return Err(rest);
            }
            self.pause(rest.pause).await;
            if self.is_stopped() {
                return Err(rest);
            }
        }
    }

    /// One request, which ends after `limit`.
    async fn attempt(&self, limit: Duration) -> Result<Held, Rest> {
        let credential = self.grant.credential_version();
        if let Err(failure) = self.bounded(limit, || self.grant.prepare()).await {
            let pause = self.pause_after(&failure);
            return Err(Rest { failure, pause, credential });
        }
        let urgency = self.urgency();
        let pass = self.gate.pass(self.clock.monotonic(), urgency);
        let pass = pass.map_err(|closed| self.held_back(closed, urgency))?;
        let sent = Moment::now(&*self.clock);
        let started = self.clock.monotonic();
        let outcome = self.bounded(limit, || self.grant.request()).await;
        let outcome = outcome.map(|granted| self.hold(granted, sent)).and_then(|held| {
            let is_dead = held.usable_until.is_past(&*self.clock);
            if is_dead { Err(Failure::BadResponse { reason: DEAD_ON_ARRIVAL }) } else { Ok(held) }
        });
        let now = self.clock.monotonic();
        self.tell(&outcome, now.saturating_sub(started));
        match outcome {
            Ok(held) => {
                pass.succeeded();
                Ok(held)
            }
            Err(failure) => {
                pass.failed(&failure, now);
                let pause = self.pause_after(&failure);
                Err(Rest { failure, pause, credential })
            }
        }
    }

    fn held_back(&self, closed: Closed, urgency: Urgency) -> Rest {
        let turn = self.turn(closed.left(), urgency);
        let pause = match (&closed, urgency) {
            // Nobody has forbidden it: it does not wait until the old token is dead.
            (Closed::Spent { .. }, Urgency::Ahead) => turn.min(self.time_to_wait()),
            _ => turn,
        };
        let failure = match closed {
            Closed::Open { failures, cause, .. } => Failure::BreakerOpen { failures, cause },
            Closed::Asked { left } => Failure::Paused { left },
            Closed::Spent { left } => Failure::QuotaSpent { left },
        };
        Rest { failure, pause, credential: None }
    }

    /// What is to be waited where a pause is asked for: so long, and until it is this key's turn. In the line of those who
    /// can wait nobody stands until the old token is dead.
    fn turn(&self, pause: Duration, urgency: Urgency) -> Duration {
        let (now, jitter) = (self.clock.monotonic(), self.state().random.f64());
        let turn = self.gate.turn(now + pause, urgency, jitter).saturating_sub(now);
        match urgency {
            Urgency::Needed => turn,
            Urgency::Ahead => turn.min(self.time_to_wait().max(pause)),
        }
    }

    /// What a grant does, within its time. One that panics must not take the task along: nothing would ever be fetched
    /// again (HARD 7).
    async fn bounded<'a, T, F>(&'a self, limit: Duration, work: impl FnOnce() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>> + 'a,
    {
        tokio::select! {
            // An answer that is there is not thrown away for being late.
            biased;
            outcome = AssertUnwindSafe(async { work().await }).catch_unwind() => outcome.unwrap_or(Err(Failure::Fault)),
            () = self.clock.sleep(limit) => Err(Failure::Unreachable(FetchError::Timeout {
                url: "the authorization server".into(),
                after: limit,
            })),
        }
    }

    fn urgency(&self) -> Urgency {
        if self.time_to_wait().is_zero() { Urgency::Needed } else { Urgency::Ahead }
    }

    /// For how long a refresh can wait before the old token must not be handed out any more: zero when it cannot.
    fn time_to_wait(&self) -> Duration {
        let left =
            |held: Arc<Held>| held.usable_until.left(&*self.clock).saturating_sub(floor(held.lifetime));
        self.usable().map(left).unwrap_or_default()
    }

    fn tell(&self, outcome: &Result<Held, Failure>, took: Duration) {
        if self.grant.is_local() {
            return;
        }
        // One that is kept on use alone is not late while nobody wants it.
        let is_timed = outcome.is_ok() && self.upkeep() == Upkeep::Always;
        let before = self.current.load();
        let late = before.as_ref().filter(|_| is_timed).map(|before| before.refresh_at.past(&*self.clock));
        self.observer.emit(Event::TokenFetched {
            provider: self.name.clone(),
            failure: outcome.as_ref().err().map(Failure::outcome),
            took,
            lifetime: outcome.as_ref().ok().map(|held| held.lifetime),
            late,
        });
    }

    fn hold(&self, granted: Granted, sent: Moment) -> Held {
        self.notice_rotation(granted.credential);
        granted.quota.iter().for_each(|quota| self.learn(quota));
        let jitter = self.state().random.f64();
        Held::new(granted, sent, jitter, self.current.load().as_deref())
    }

    fn learn(&self, quota: &Quota) {
        let new = self.gate.learn(quota, self.clock.monotonic());
        for (limit, is_low_now) in quota.limits.iter().zip(new) {
            let Limit { name, most, left, .. } = *limit;
            self.observer.emit(Event::QuotaSeen {
                provider: self.name.clone(),
                limit: name,
                most,
                left,
                is_low_now,
            });
        }
    }

    /// A new version of the credential has worked: from now on the old one may go.
    fn notice_rotation(&self, credential: Option<Fingerprint>) {
        let Some(credential) = credential else { return };
        let before = self.state().worked_with.replace(credential);
        if before.is_some_and(|before| before != credential) {
            self.observer.emit(Event::SecretRotated { provider: self.name.clone() });
        }
    }

    fn pause_after(&self, failure: &Failure) -> Duration {
        if !failure.is_passing() {
            return REFUSED_PAUSE;
        }
        let asked = failure.asked_pause().map(|pause| pause.min(LONGEST_RETRY_AFTER));
        let turn = asked.map(|pause| self.turn(pause, self.urgency()));
        let mut state = self.state();
        let bound = BACKOFF.0.saturating_mul(1 << state.failures.min(8)).min(BACKOFF.1);
        state.failures = state.failures.saturating_add(1);
        let pause = bound.mul_f64(state.random.f64()).max(SHORTEST_PAUSE);
        pause.max(turn.unwrap_or_default())
    }

    /// Takes a flight's end in and tells who waits; returns how long to rest.
    async fn settle(&self, outcome: Result<Brought, Rest>, epoch: u64) -> Duration {
        let (rest, after) = self.take_in(outcome, epoch);
        // Nobody waits for what comes now, but for a clean end.
        match (after, self.shelf()) {
            (After::Shelve(held), Some(shelf)) => shelf.save(&held, epoch).await,
            (After::Discard(held), _) => {
                if let Err(failure) = self.grant.discard(&held.token).await {
                    tracing::warn!(provider = %self.name, %failure, "a token that came after a logout is not revoked");
                }
            }
            _ => {}
        }
        self.state().is_tidying = false;
        self.tidied.send_modify(|n| *n += 1);
        rest
    }

    fn take_in(&self, outcome: Result<Brought, Rest>, epoch: u64) -> (Duration, After) {
        let now = self.clock.monotonic();
        let mut state = self.state();
        state.is_tidying = true;
        let taken = match outcome {
            // A logout came between.
            Ok(Brought { held, .. }) if state.epoch != epoch => {
                (MIN_INTERVAL, After::Discard(Arc::new(held)))
            }
            Err(_) if state.epoch != epoch => (MIN_INTERVAL, After::Nothing),
            Ok(Brought { held, is_new }) => {
                let rest = held.refresh_at.left(&*self.clock).max(MIN_INTERVAL);
                state.failures = 0;
                state.failed = None;
                state.not_before = now + MIN_INTERVAL;
                let held = Arc::new(held);
                self.current.store(Some(held.clone()));
                (rest, if is_new { After::Shelve(held) } else { After::Nothing })
            }
            Err(Rest { failure, pause, credential }) => {
                tracing::warn!(provider = %self.name, %failure, retry_ms = pause.as_millis() as u64, "token not refreshed");
                state.failed = Some(Failed { failure: Arc::new(failure), until: now + pause, credential });
                (pause, After::Nothing)
            }
        };
        self.land(&mut state);
        self.looked.send_modify(|has| *has = true);
        taken
    }

    /// Whether the task has nothing left to do. Decided under the lock: who asks afterwards starts another.
    fn is_done(&self) -> bool {
        let mut state = self.state();
        // Of one that the manager has forgotten nobody knows whether somebody still wants it: who does asks again.
        let is_in_use = || !self.is_forgotten() && state.failed.is_some() && self.usable().is_some();
        let watches_over = self.upkeep() == Upkeep::Always || is_in_use();
        let is_done = self.is_over(&state) || !(state.is_fetching || watches_over);
        if is_done {
            state.keeper = None;
        }
        is_done
    }
}

/// What becomes of a flight that was asked for.
enum Begun {
    Flight {
        epoch: u64,
    },
    /// Nobody wants it any more: a logout came between.
    LoggedOut,
    /// The entry is stopped.
    Over,
}

/// What is to be done once nobody waits any more.
enum After {
    Nothing,
    /// Keep it beyond this process.
    Shelve(Arc<Held>),
    /// Nobody wants it any more.
    Discard(Arc<Held>),
}
