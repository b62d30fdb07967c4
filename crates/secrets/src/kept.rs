//! One secret of a store on the network, remembered: fresh for a while, then read again by one flight for all who ask.
//!
//! ```text
//! reader ─┬─ fresh ──────────────► what is known
//!         └─ stale ─ one flight ─┬─ well ──► the new value
//!                      │         └─ badly ─► what was known before, with a warning; the error when nothing was
//!                      └─ too long for a reader ─► what is known; the flight goes on, and what it brings counts
//! ```
//! Who asks first starts the flight as a task, and the others wait for it. It ends by itself in twenty seconds, and with
//! the secret; what goes wrong with it is told to whoever asks, and once in the log.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bearward_token::expiry::Moment;
use bearward_token::{ClientSecret, Clock, Expiry};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::{SecretError, SecretRef, Store};

/// How long a reader waits for a flight when nothing is known: less than the five seconds that one attempt for a token
/// has, so that the attempt can tell what is wrong.
const PATIENCE: Duration = Duration::from_secs(4);
/// The same when something is known: nobody waits long for what may be no news.
const PATIENCE_WITH_KNOWN: Duration = Duration::from_secs(2);
/// How long a flight may take that nobody waits for any more: a login and a read at a store that is slow, and no more.
const LONGEST: Duration = Duration::from_secs(20);
/// After a failed flight there is no other for so long, with nothing known and with something.
const REST: Duration = Duration::from_secs(1);
const REST_WITH_KNOWN: Duration = Duration::from_secs(5);
/// A store that has failed for so many times `refresh`, and for five minutes at least, is worth telling.
const STALE_AFTER: u32 = 10;
const STALE_AT_LEAST: Duration = Duration::from_secs(5 * 60);
/// Doubts bring forward one flight in so long: a wrong secret must not become a flood of questions.
const DOUBT_INTERVAL: Duration = Duration::from_secs(5);

/// One secret.
pub(crate) struct Kept {
    reference: SecretRef,
    store: Store,
    refresh: Duration,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    /// Why the last flight failed; `None` when it did not.
    failed: Option<SecretError>,
    /// No flight before this; `None` before the first one.
    rest_until: Option<Expiry>,
    /// No other doubt before this.
    next_doubt: Option<Expiry>,
    /// The last one that was started, unless it has landed.
    flight: Option<Flight>,
}

struct Known {
    secret: ClientSecret,
    read_at: Timestamp,
    /// A store that still fails then has failed for long.
    stale_from: Expiry,
}

/// One that is under way.
struct Flight {
    /// Its sender goes with the task.
    landed: watch::Receiver<()>,
    /// A reader has waited for it long enough: nobody does any more, while something is known.
    is_slow: bool,
    task: AbortHandle,
}

/// What a reader finds.
enum Found {
    Settled(Result<ClientSecret, SecretError>),
    Flying(watch::Receiver<()>),
}

impl Kept {
    pub(crate) fn new(reference: SecretRef, store: Store, refresh: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { reference, store, refresh, clock, state: Mutex::default() }
    }

    /// What is fresh, or what `read` brings.
    pub(crate) async fn get<F>(
        self: &Arc<Self>,
        read: impl FnOnce() -> F,
    ) -> Result<ClientSecret, SecretError>
    where
        F: Future<Output = Result<ClientSecret, SecretError>> + Send + 'static,
    {
        let mut landed = match self.find(read) {
            Found::Settled(settled) => return settled,
            Found::Flying(landed) => landed,
        };
        let after = if self.known().is_some() { PATIENCE_WITH_KNOWN } else { PATIENCE };
        tokio::select! {
            // The error says that the sender went with the task: nothing is ever sent.
            _ = landed.changed() => {}
            () = self.clock.sleep(after) => self.lose_patience(after),
        }
        self.latest()
    }

    /// What is known; never waits.
    pub(crate) fn known(&self) -> Option<ClientSecret> {
        self.state().known.as_ref().map(|known| known.secret.clone())
    }

    /// Why nothing is known, once somebody has asked; or since when what is known could not be looked at, once that is
    /// long ago.
    pub(crate) fn trouble(&self) -> Option<SecretError> {
        let state = self.state();
        let cause = state.failed.clone()?;
        let Some(known) = &state.known else { return Some(cause) };
        let (reference, since) = (self.reference.clone(), known.read_at);
        let is_stale = known.stale_from.is_past(&*self.clock);
        is_stale.then(|| SecretError::Stale { reference, since, cause: Box::new(cause) })
    }

    /// The next one who asks reads anew.
    pub(crate) fn doubt(&self) {
        let now = Moment::now(&*self.clock);
        let mut state = self.state();
        if state.next_doubt.is_none_or(|next| next.left_at(&now).is_zero()) {
            state.next_doubt = Some(now.plus(DOUBT_INTERVAL));
            state.rest_until = None;
        }
    }

    fn find<F>(self: &Arc<Self>, read: impl FnOnce() -> F) -> Found
    where
        F: Future<Output = Result<ClientSecret, SecretError>> + Send + 'static,
    {
        let mut state = self.state();
        if let Some(fresh) = state.fresh(&*self.clock) {
            return Found::Settled(fresh);
        }
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.is_under_way()) {
            return match &state.known {
                Some(known) if flight.is_slow => Found::Settled(Ok(known.secret.clone())),
                _ => Found::Flying(flight.landed.clone()),
            };
        }
        let (landing, landed) = watch::channel(());
        let task = tokio::spawn(self.fly(read(), landing)).abort_handle();
        state.flight = Some(Flight { landed: landed.clone(), is_slow: false, task });
        Found::Flying(landed)
    }

    /// Holds nothing of ours while it waits: who drops the secret ends the flight.
    fn fly<F>(
        self: &Arc<Self>,
        read: F,
        landing: watch::Sender<()>,
    ) -> impl Future<Output = ()> + Send + use<F>
    where
        F: Future<Output = Result<ClientSecret, SecretError>> + Send + 'static,
    {
        let (kept, clock, store) = (Arc::downgrade(self), self.clock.clone(), self.store);
        // A store's futures are large.
        let read = Box::pin(read);
        async move {
            let outcome = tokio::select! {
                outcome = read => outcome,
                () = clock.sleep(LONGEST) => Err(SecretError::Timeout { store, after: LONGEST }),
            };
            if let Some(kept) = kept.upgrade() {
                let mut state = kept.state();
                state.flight = None;
                kept.settle(&mut state, outcome);
            }
            drop(landing);
        }
    }

    /// The flight goes on. With nothing known that it has not come is all that there is to say.
    fn lose_patience(&self, after: Duration) {
        let mut state = self.state();
        let Some(flight) = state.flight.as_mut().filter(|flight| flight.is_under_way()) else { return };
        flight.is_slow = true;
        if state.known.is_none() {
            self.settle(&mut state, Err(SecretError::Timeout { store: self.store, after }));
        }
    }

    fn latest(&self) -> Result<ClientSecret, SecretError> {
        let state = self.state();
        let failed = || state.failed.clone().unwrap_or_else(|| SecretError::NotRead(self.reference.clone()));
        state.known.as_ref().map(|known| known.secret.clone()).ok_or_else(failed)
    }

    fn settle(&self, state: &mut State, outcome: Result<ClientSecret, SecretError>) {
        let now = Moment::now(&*self.clock);
        match outcome {
            Ok(secret) => {
                if state.failed.take().is_some() {
                    tracing::info!(secret = %self.reference, "can be read again");
                }
                let stale_from = now.plus((self.refresh * STALE_AFTER).max(STALE_AT_LEAST));
                state.known = Some(Known { secret, read_at: read_at(&*self.clock), stale_from });
                state.rest_until = Some(now.plus(self.refresh));
            }
            Err(error) => {
                let kept = if state.known.is_some() { "; the last known value stays in use" } else { "" };
                let rest = if state.known.is_some() { REST_WITH_KNOWN } else { REST };
                state.rest_until = Some(now.plus(rest));
                if state.failed.is_none() {
                    tracing::warn!(secret = %self.reference, %error, "cannot be read{kept}");
                }
                state.failed = Some(error);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that is set beyond the year 9999 reads as 1970.
fn read_at(clock: &dyn Clock) -> Timestamp {
    i64::try_from(clock.unix_seconds())
        .ok()
        .and_then(|now| Timestamp::from_second(now).ok())
        .unwrap_or_default()
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(flight) = self.state().flight.take() {
            flight.task.abort();
        }
    }
}

impl State {
    fn fresh(&self, clock: &dyn Clock) -> Option<Result<ClientSecret, SecretError>> {
        self.rest_until.filter(|until| !until.is_past(clock))?;
        match (&self.known, &self.failed) {
            (Some(known), _) => Some(Ok(known.secret.clone())),
            (None, Some(failed)) => Some(Err(failed.clone())),
            (None, None) => None,
        }
    }
}

impl Flight {
    /// Also a task that panicked has ended.
    fn is_under_way(&self) -> bool {
        self.landed.has_changed().is_ok()
    }
}

#[cfg(test)]
mod tests;
