//! Keeps one key's token fresh: one task, one request at a time.
//!
//! ```text
//! fetch ── token ──► rest until the soft window ──► fetch …
//!   │                       ▲ a caller wants it earlier
//!   └─ failure ──► rest for the backoff ──► fetch …           (for ever: HARD 7)
//! ```
//! Without a usable token a flight retries by itself for up to 15 s before it tells its callers; with one,
//! nobody waits, and each failure is followed by a rest.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bearward_issuer::FetchError;
use bearward_observe::{Event, Observer};
use bearward_token::expiry::Moment;
use bearward_token::{Clock, Fingerprint};
use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::error::{Failure, SupplyError};
use crate::gate::{Closed, Gate, LONGEST_RETRY_AFTER};
use crate::grant::{Grant, Granted};
use crate::handle::Held;
use crate::lifetime::{floor, refresh_lead};

/// One attempt ends after this, whatever the grant does.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(5);
/// A flight without a usable token gives up after this and tells its callers.
pub(crate) const TOTAL: Duration = Duration::from_secs(15);
/// Full-jitter backoff: the bound after the first failure, and the largest bound.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Least pause after a failure, for jitter may say zero.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// Pause after a refusal: nothing changes until a person or a new secret changes it.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);
/// Between two requests that succeeded, whatever the lifetimes (HARD 8).
const MIN_INTERVAL: Duration = Duration::from_secs(1);
const DEAD_ON_ARRIVAL: &str =
    "its token was as good as expired when it arrived: the server is slower than its tokens live";
/// Between two forced refreshes (HARD 15).
pub(crate) const FORCE_COOLDOWN: Duration = Duration::from_secs(30);

/// All there is of one key.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Arc<str>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Observer,
    /// Rises when a flight has ended, well or badly.
    pub(crate) settled: watch::Sender<u64>,
    grant: Arc<dyn Grant>,
    gate: Arc<Gate>,
    current: ArcSwapOption<Held>,
    state: Mutex<State>,
    wanted: Notify,
}

#[derive(Debug)]
struct State {
    /// A flight is under way, or was asked for.
    is_fetching: bool,
    failures: u32,
    /// Why the last flight failed, and until when nobody tries again.
    failed: Option<Failed>,
    /// No request before this.
    not_before: Duration,
    last_forced: Option<Duration>,
    /// When somebody last looked whether a refused credential was replaced.
    looked_at: Option<Duration>,
    keeper: Option<AbortHandle>,
    /// The version of the credential that the current token was granted to.
    worked_with: Option<Fingerprint>,
    is_stopped: bool,
    random: fastrand::Rng,
}

#[derive(Debug, Clone)]
struct Failed {
    failure: Arc<Failure>,
    until: Duration,
    credential: Option<Fingerprint>,
}

/// What came of asking for a flight.
pub(crate) enum Claim {
    /// One is under way: wait for it to settle.
    Fetching,
    /// A forced one is not due yet.
    TooSoon,
    /// The last one failed and the next is not due yet.
    Failing(SupplyError),
}

/// A failed flight: why, and how long to rest.
struct Rest {
    failure: Failure,
    pause: Duration,
    /// The version of the credential that it was made with.
    credential: Option<Fingerprint>,
}

impl Entry {
    pub(crate) fn new(
        name: Arc<str>,
        grant: Arc<dyn Grant>,
        gate: Arc<Gate>,
        clock: Arc<dyn Clock>,
        observer: Observer,
        random: fastrand::Rng,
    ) -> Self {
        let state = State {
            is_fetching: false,
            failures: 0,
            failed: None,
            not_before: Duration::ZERO,
            last_forced: None,
            looked_at: None,
            keeper: None,
            worked_with: None,
            is_stopped: false,
            random,
        };
        Self {
            name,
            clock,
            observer,
            settled: watch::channel(0).0,
            grant,
            gate,
            current: ArcSwapOption::empty(),
            state: Mutex::new(state),
            wanted: Notify::new(),
        }
    }

    /// The current token, if it may still be handed out.
    pub(crate) fn usable(&self) -> Option<Arc<Held>> {
        self.usable_at(&Moment::now(&*self.clock))
    }

    pub(crate) fn usable_at(&self, now: &Moment) -> Option<Arc<Held>> {
        let held = self.current.load();
        held.as_ref().filter(|held| !held.usable_until.left_at(now).is_zero()).cloned()
    }

    /// Asks for a flight, unless the last one failed a moment ago.
    pub(crate) fn claim(self: &Arc<Self>) -> Claim {
        let is_replaced = self.is_refused_credential_replaced();
        let mut state = self.state();
        if state.is_fetching {
            return Claim::Fetching;
        }
        if let Some(failed) = state.failed.clone().filter(|_| !is_replaced) {
            let left = failed.until.saturating_sub(self.clock.monotonic());
            if !left.is_zero() {
                return Claim::Failing(SupplyError { failure: failed.failure, retry_after: Some(left) });
            }
        }
        self.begin(&mut state)
    }

    /// A refused credential that has been replaced is tried at once. Reading it may touch a file, so that is
    /// done without the lock, and at most once a second.
    fn is_refused_credential_replaced(&self) -> bool {
        let refused = {
            let now = self.clock.monotonic();
            let mut state = self.state();
            let Some(failed) = state.failed.as_ref().filter(|failed| !failed.failure.is_passing()) else {
                return false;
            };
            let credential = failed.credential;
            if state.looked_at.is_some_and(|last| now < last + MIN_INTERVAL) {
                return false;
            }
            state.looked_at = Some(now);
            credential
        };
        refused != self.grant.credential_version()
    }

    /// Asks for a flight although there is a token, at most one per cooldown.
    pub(crate) fn claim_by_force(self: &Arc<Self>) -> Claim {
        {
            let now = self.clock.monotonic();
            let mut state = self.state();
            if state.is_fetching {
                return Claim::Fetching;
            }
            if state.last_forced.is_some_and(|last| now < last + FORCE_COOLDOWN) {
                return Claim::TooSoon;
            }
            state.last_forced = Some(now);
            // The cooldown above is the stricter limit.
            state.not_before = Duration::ZERO;
        }
        self.claim()
    }

    /// Why the last flight failed; `None` when it did not.
    pub(crate) fn failing(&self) -> Option<SupplyError> {
        let failed = self.state().failed.clone()?;
        let left = failed.until.saturating_sub(self.clock.monotonic());
        Some(SupplyError { failure: failed.failure, retry_after: Some(left) })
    }

    /// For a caller that found neither a token nor a failure, which only happens at shutdown.
    pub(crate) fn last_error(&self) -> SupplyError {
        self.failing()
            .unwrap_or_else(|| SupplyError { failure: Arc::new(Failure::Stopped), retry_after: None })
    }

    /// Ends the task. Callers that wait are told; nothing is fetched any more.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.is_stopped = true;
        state.is_fetching = false;
        if let Some(keeper) = state.keeper.take() {
            keeper.abort();
        }
        drop(state);
        self.settled.send_modify(|n| *n += 1);
    }

    fn begin(self: &Arc<Self>, state: &mut State) -> Claim {
        if state.is_stopped {
            return Claim::Failing(SupplyError { failure: Arc::new(Failure::Stopped), retry_after: None });
        }
        state.is_fetching = true;
        if state.keeper.as_ref().is_none_or(AbortHandle::is_finished) {
            state.keeper = Some(tokio::spawn(keep(self.clone())).abort_handle());
        } else {
            self.wanted.notify_one();
        }
        Claim::Fetching
    }

    /// One flight.
    async fn fetch(&self) -> Result<Held, Rest> {
        let started = self.clock.monotonic();
        let not_before = self.state().not_before;
        self.clock.sleep(not_before.saturating_sub(started)).await;
        loop {
            let rest = match self.attempt().await {
                Ok(held) => return Ok(held),
                Err(rest) => rest,
            };
            let would_end = self.clock.monotonic().saturating_sub(started) + rest.pause;
            if !rest.failure.is_passing() || self.usable().is_some() || would_end >= TOTAL {
                return Err(rest);
            }
            self.clock.sleep(rest.pause).await;
        }
    }

    async fn attempt(&self) -> Result<Held, Rest> {
        let pass = self.gate.pass(self.clock.monotonic()).map_err(|closed| Rest {
            failure: match closed {
                Closed::Open { failures, .. } => Failure::BreakerOpen { failures },
                Closed::Asked { left } => Failure::Paused { left },
            },
            pause: closed.left(),
            credential: None,
        })?;
        let credential = self.grant.credential_version();
        let sent = Moment::now(&*self.clock);
        let started = self.clock.monotonic();
        // A grant that panics must not take the task along: nothing would ever be fetched again (HARD 7).
        let request = AssertUnwindSafe(async { self.grant.request().await }).catch_unwind();
        let outcome = tokio::select! {
            outcome = request => outcome.unwrap_or(Err(Failure::Fault)),
            () = self.clock.sleep(ATTEMPT) => Err(Failure::Unreachable(FetchError::Timeout {
                url: "the authorization server".into(),
                after: ATTEMPT,
            })),
        };
        let outcome = outcome.map(|granted| self.hold(granted, sent)).and_then(|held| {
            let is_dead = held.usable_until.is_past(&*self.clock);
            if is_dead { Err(Failure::BadResponse { reason: DEAD_ON_ARRIVAL }) } else { Ok(held) }
        });
        let now = self.clock.monotonic();
        self.observer.emit(Event::TokenFetched {
            provider: self.name.clone(),
            failure: outcome.as_ref().err().map(Failure::outcome),
            took: now.saturating_sub(started),
            lifetime: outcome.as_ref().ok().map(|held| held.lifetime),
        });
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

    fn hold(&self, granted: Granted, sent: Moment) -> Held {
        let Granted { access_token: token, lifetime, credential } = granted;
        self.notice_rotation(credential);
        let jitter = self.state().random.f64();
        let expiry = sent.plus(lifetime);
        Held {
            token,
            lifetime,
            expiry,
            usable_until: expiry.earlier_by(floor(lifetime)),
            refresh_at: expiry.earlier_by(refresh_lead(lifetime, jitter)),
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
        let mut state = self.state();
        let bound = BACKOFF.0.saturating_mul(1 << state.failures.min(8)).min(BACKOFF.1);
        state.failures = state.failures.saturating_add(1);
        let pause = bound.mul_f64(state.random.f64()).max(SHORTEST_PAUSE);
        pause.max(failure.asked_pause().unwrap_or_default().min(LONGEST_RETRY_AFTER))
    }

    /// Takes a flight's end in and tells who waits; returns how long to rest.
    fn settle(&self, outcome: Result<Held, Rest>) -> Duration {
        let now = self.clock.monotonic();
        let rest = match outcome {
            Ok(held) => {
                let rest = held.refresh_at.left(&*self.clock);
                self.current.store(Some(Arc::new(held)));
                let mut state = self.state();
                state.failures = 0;
                state.failed = None;
                state.not_before = now + MIN_INTERVAL;
                state.is_fetching = false;
                rest.max(MIN_INTERVAL)
            }
            Err(Rest { failure, pause, credential }) => {
                tracing::warn!(provider = %self.name, %failure, retry_ms = pause.as_millis() as u64, "token not refreshed");
                let mut state = self.state();
                state.failed = Some(Failed { failure: Arc::new(failure), until: now + pause, credential });
                state.is_fetching = false;
                pause
            }
        };
        self.settled.send_modify(|n| *n += 1);
        rest
    }

    /// Rests, unless a caller wants the token earlier.
    async fn rest(&self, pause: Duration) {
        let mut timer = self.clock.sleep(pause);
        loop {
            tokio::select! {
                () = &mut timer => break,
                () = self.wanted.notified() => {
                    // A notice may be left over from a flight that has ended since.
                    if self.state().is_fetching {
                        break;
                    }
                }
            }
        }
        self.state().is_fetching = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task of one entry. It never ends by itself; [`Entry::stop`] aborts it.
async fn keep(entry: Arc<Entry>) {
    loop {
        let outcome = entry.fetch().await;
        let rest = entry.settle(outcome);
        entry.rest(rest).await;
    }
}

#[cfg(test)]
mod tests;
