//! What a provider holds: the way to its token.

use std::sync::Arc;
use std::time::Duration;

use bearward_observe::{Condition, Hits, Probe};
use bearward_token::expiry::Moment;
use bearward_token::{AccessToken, Clock, Expiry};
use http::HeaderValue;

use crate::error::{Failure, SupplyError};
use crate::keeper::{Claim, Entry};
use crate::lifetime::clamp_min_ttl;

/// Hands out one key's token. Cheap to clone; clones share the token.
#[derive(Debug, Clone)]
pub struct Handle {
    name: Arc<str>,
    hits: Hits,
    entry: Arc<Entry>,
}

/// What a caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Time that the token should have left; asks for an earlier refresh, and never makes a caller wait
    /// for it. Clamped to half of the token's lifetime.
    pub min_ttl: Duration,
    /// How long the caller will wait when there is no usable token.
    pub patience: Duration,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { min_ttl: Duration::ZERO, patience: Duration::from_secs(15) }
    }
}

/// A token that was alive when it was handed out. It becomes a header only while it still is.
#[derive(Debug, Clone)]
pub struct Supplied {
    held: Arc<Held>,
}

/// A token as it is kept.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) token: AccessToken,
    pub(crate) lifetime: Duration,
    /// Past it the token is dead.
    pub(crate) expiry: Expiry,
    /// Past it the token is not handed out any more.
    pub(crate) usable_until: Expiry,
    /// Past it a refresh is due.
    pub(crate) refresh_at: Expiry,
}

impl Supplied {
    /// The `Authorization` value, marked sensitive; `None` once the token is dead.
    pub fn authorization(&self, clock: &dyn Clock) -> Option<HeaderValue> {
        if self.held.expiry.is_past(clock) {
            return None;
        }
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.held.token.expose())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The token itself, for who hands it on to its own destination.
    pub fn token(&self) -> &AccessToken {
        &self.held.token
    }

    /// Time left.
    pub fn expires_in(&self, clock: &dyn Clock) -> Duration {
        self.held.expiry.left(clock)
    }

    /// True when both are the same token.
    fn is_same(&self, other: &Held) -> bool {
        self.held.token == other.token
    }
}

impl Handle {
    pub(crate) fn new(name: Arc<str>, entry: Arc<Entry>) -> Self {
        let hits = entry.observer.metrics().hits(&name);
        Self { name, hits, entry }
    }

    /// A token that is alive. Fresh: at once, without a lock. In the soft window: at once, and a refresh
    /// starts. Otherwise it waits for the one flight, at most `wanted.patience`.
    ///
    /// # Errors
    /// Why there is none, and when to come back. Never an expired token (HARD 6).
    pub async fn ensure_access(&self, wanted: &Wanted) -> Result<Supplied, SupplyError> {
        let entry = &self.entry;
        let now = Moment::now(&*entry.clock);
        if let Some(held) = entry.usable_at(&now) {
            let is_due = held.refresh_at.left_at(&now).is_zero()
                || held.expiry.left_at(&now) < clamp_min_ttl(wanted.min_ttl, held.lifetime);
            if is_due {
                // Whether it starts one or one is under way: this caller has its token.
                let _ = entry.claim();
            }
            entry.observer.hit(&self.hits);
            return Ok(Supplied { held });
        }
        self.wait(wanted, None).await.and_then(|found| found.ok_or_else(|| entry.last_error()))
    }

    /// The destination refused `refused`: a newer token, got by force if need be.
    ///
    /// `None` when there is no other: the refresh was forced less than 30 s ago, or brought the same token
    /// again (HARD 15). The refused token is kept until another comes, since the refusal may be the
    /// destination's own fault.
    ///
    /// # Errors
    /// Why no newer token could be had.
    pub async fn instead_of(
        &self,
        refused: &Supplied,
        wanted: &Wanted,
    ) -> Result<Option<Supplied>, SupplyError> {
        if let Some(held) = self.entry.usable().filter(|held| !refused.is_same(held)) {
            return Ok(Some(Supplied { held }));
        }
        self.wait(wanted, Some(refused)).await
    }

    /// Starts getting the token before anybody asks for it.
    pub fn prefetch(&self) {
        if self.entry.usable().is_none() {
            let _ = self.entry.claim();
        }
    }

    /// Time left of the current token; `None` without one.
    pub fn expires_in(&self) -> Option<Duration> {
        self.entry.usable().map(|held| held.expiry.left(&*self.entry.clock))
    }

    /// Whose token it is.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    async fn wait(
        &self,
        wanted: &Wanted,
        refused: Option<&Supplied>,
    ) -> Result<Option<Supplied>, SupplyError> {
        let entry = &self.entry;
        let mut settled = entry.settled.subscribe();
        let other = |held: &Arc<Held>| refused.is_none_or(|refused| !refused.is_same(held));
        // A flight may have ended between the caller's first look and the subscription.
        if let Some(held) = entry.usable().filter(other) {
            return Ok(Some(Supplied { held }));
        }
        let claim = if refused.is_some() { entry.claim_by_force() } else { entry.claim() };
        match claim {
            Claim::Fetching => {}
            Claim::TooSoon => return Ok(None),
            Claim::Failing(error) => return Err(error),
        }
        tokio::select! {
            _ = settled.changed() => {}
            () = entry.clock.sleep(wanted.patience) => {
                let failure = Failure::Deadline { waited: wanted.patience };
                return Err(SupplyError { failure: Arc::new(failure), retry_after: None });
            }
        }
        match entry.usable().filter(other) {
            Some(held) => Ok(Some(Supplied { held })),
            None => match entry.failing() {
                Some(error) => Err(error),
                None => Ok(None),
            },
        }
    }
}

impl Probe for Handle {
    fn name(&self) -> String {
        format!("provider {}", self.name)
    }

    fn condition(&self) -> Condition {
        let left = self.expires_in();
        let failing = self.entry.failing();
        let next = |error: &SupplyError| match error.retry_after {
            Some(pause) => format!("{error}; next attempt in {} s", pause.as_secs() + 1),
            None => error.to_string(),
        };
        match (left, failing) {
            (Some(_), None) => Condition::Ready,
            (Some(left), Some(error)) => Condition::Degraded {
                reason: format!("the old token works for {} s more; {}", left.as_secs(), next(&error)),
            },
            (None, Some(error)) => Condition::Down { reason: next(&error) },
            (None, None) => Condition::Down { reason: "its token has not arrived yet".into() },
        }
    }
}
