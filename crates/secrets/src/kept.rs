//! One secret of a store on the network, remembered: fresh for a while, then read again by one flight for all who ask.
//!
//! ```text
//! reader ─┬─ fresh ──────────────► what is known
//!         └─ stale ─ one flight ─┬─ well ──► the new value
//!                                └─ badly ─► what was known before, with a warning; the error when nothing was
//! ```
//! No task of its own: who asks first reads, the others wait for that, and whoever goes away is replaced by the next.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bearward_token::expiry::Moment;
use bearward_token::{ClientSecret, Clock, Expiry};

use crate::{SecretError, SecretRef, Store};

/// How long a flight may take when nothing is known: less than the five seconds that one attempt for a token has, so
/// that the attempt can tell what is wrong.
const PATIENCE: Duration = Duration::from_secs(4);
/// The same when something is known: nobody waits long for what may be no news.
const PATIENCE_WITH_KNOWN: Duration = Duration::from_secs(2);
/// After a failed flight there is no other for so long, with nothing known and with something.
const REST: Duration = Duration::from_secs(1);
const REST_WITH_KNOWN: Duration = Duration::from_secs(5);
/// Doubts bring forward one flight in so long: a wrong secret must not become a flood of questions.
const DOUBT_INTERVAL: Duration = Duration::from_secs(5);

/// One secret.
pub(crate) struct Kept {
    reference: SecretRef,
    store: Store,
    refresh: Duration,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held by the one that reads.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    known: Option<ClientSecret>,
    /// Why the last flight failed; `None` when it did not.
    failed: Option<SecretError>,
    /// No flight before this; `None` before the first one.
    rest_until: Option<Expiry>,
    /// No other doubt before this.
    next_doubt: Option<Expiry>,
}

impl Kept {
    pub(crate) fn new(reference: SecretRef, store: Store, refresh: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            reference,
            store,
            refresh,
            clock,
            state: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
        }
    }

    /// What is fresh, or what `read` brings.
    pub(crate) async fn get<F>(&self, read: impl FnOnce() -> F) -> Result<ClientSecret, SecretError>
    where
        F: Future<Output = Result<ClientSecret, SecretError>>,
    {
        if let Some(fresh) = self.fresh() {
            return fresh;
        }
        let _flight = self.flight.lock().await;
        // Who had to wait finds what the flight before has brought.
        if let Some(fresh) = self.fresh() {
            return fresh;
        }
        let after = if self.known().is_some() { PATIENCE_WITH_KNOWN } else { PATIENCE };
        let outcome = tokio::select! {
            outcome = read() => outcome,
            () = self.clock.sleep(after) => Err(SecretError::Timeout { store: self.store, after }),
        };
        self.settle(outcome)
    }

    /// What is known; never waits.
    pub(crate) fn known(&self) -> Option<ClientSecret> {
        self.state().known.clone()
    }

    /// Why nothing is known, once somebody has asked.
    pub(crate) fn trouble(&self) -> Option<SecretError> {
        let state = self.state();
        state.failed.clone().filter(|_| state.known.is_none())
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

    fn fresh(&self) -> Option<Result<ClientSecret, SecretError>> {
        let state = self.state();
        state.rest_until.filter(|until| !until.is_past(&*self.clock))?;
        match (&state.known, &state.failed) {
            (Some(known), _) => Some(Ok(known.clone())),
            (None, Some(failed)) => Some(Err(failed.clone())),
            (None, None) => None,
        }
    }

    fn settle(&self, outcome: Result<ClientSecret, SecretError>) -> Result<ClientSecret, SecretError> {
        let now = Moment::now(&*self.clock);
        let mut state = self.state();
        match outcome {
            Ok(secret) => {
                if state.failed.take().is_some() {
                    tracing::info!(secret = %self.reference, "can be read again");
                }
                state.known = Some(secret.clone());
                state.rest_until = Some(now.plus(self.refresh));
                Ok(secret)
            }
            Err(error) => {
                let is_first = state.failed.replace(error.clone()).is_none();
                let rest = if state.known.is_some() { REST_WITH_KNOWN } else { REST };
                state.rest_until = Some(now.plus(rest));
                if is_first {
                    let kept = if state.known.is_some() { "; the last known value stays in use" } else { "" };
                    tracing::warn!(secret = %self.reference, %error, "cannot be read{kept}");
                }
                state.known.clone().ok_or(error)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
