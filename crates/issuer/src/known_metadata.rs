//! One issuer's metadata, remembered: an authorization server whose metadata is down for a while can still be
//! used, and not every token request costs two.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bearward_token::{Clock, Issuer};

use crate::discovery::{Discovery, DiscoveryError};
use crate::metadata::Metadata;

/// So long what was found counts without a question.
const FRESH: Duration = Duration::from_secs(600);
/// Doubted metadata is looked up again, at most so often.
const DOUBT_INTERVAL: Duration = Duration::from_secs(30);

/// Finds and remembers.
#[derive(Debug)]
pub struct KnownMetadata {
    issuer: Issuer,
    discovery: Discovery,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held while somebody looks it up: one question for all who wait.
    looking: tokio::sync::Mutex<()>,
}

/// Times are on the monotonic clock.
#[derive(Debug, Default)]
struct State {
    known: Option<Arc<Metadata>>,
    fresh_until: Duration,
    looked_at: Duration,
    /// How often it was looked up in vain, and what came of the last time.
    failures: u64,
    failed: Option<DiscoveryError>,
}

impl KnownMetadata {
    /// Knows nothing yet.
    pub fn new(issuer: Issuer, discovery: Discovery, clock: Arc<dyn Clock>) -> Self {
        Self { issuer, discovery, clock, state: Mutex::default(), looking: tokio::sync::Mutex::default() }
    }

    /// Whose metadata it is.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The metadata: remembered, or looked up. When it cannot be looked up again, what is known still counts.
    ///
    /// # Errors
    /// As [`Discovery::metadata`], while nothing is known.
    pub async fn get(&self) -> Result<Arc<Metadata>, DiscoveryError> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let failures = self.state().failures;
        let _alone = self.looking.lock().await;
        // Whoever was faster has looked for this one, too.
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let known = {
            let state = self.state();
            if state.failures > failures
                && let Some(error) = &state.failed
            {
                return state.known.clone().ok_or_else(|| error.clone());
            }
            state.known.clone()
        };
        self.look_up(known).await
    }

    fn fresh(&self) -> Option<Arc<Metadata>> {
        let state = self.state();
        state.known.clone().filter(|_| self.clock.monotonic() < state.fresh_until)
    }

    async fn look_up(&self, known: Option<Arc<Metadata>>) -> Result<Arc<Metadata>, DiscoveryError> {
        let now = self.clock.monotonic();
        match self.discovery.metadata(&self.issuer).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                let mut state = self.state();
                state.known = Some(metadata.clone());
                (state.fresh_until, state.looked_at) = (now + FRESH, now);
                Ok(metadata)
            }
            Err(error) => {
                {
                    let mut state = self.state();
                    state.failures += 1;
                    state.failed = Some(error.clone());
                }
                let known = known.ok_or(error.clone())?;
                tracing::warn!(issuer = %self.issuer, %error, "metadata not looked up again; the known one stays in use");
                let mut state = self.state();
                state.looked_at = now;
                state.fresh_until = now + DOUBT_INTERVAL;
                Ok(known)
            }
        }
    }

    /// Something that the metadata names did not work: look it up again with the next question, unless that was
    /// done a moment ago.
    pub fn doubt(&self) {
        let mut state = self.state();
        state.fresh_until = state.fresh_until.min(state.looked_at + DOUBT_INTERVAL);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
