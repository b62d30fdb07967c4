//! What a provider holds: the way to its token.

use std::sync::Arc;
use std::time::Duration;

use bearward_observe::audit::rfc3339;
use bearward_observe::{Condition, Hits, Observer, Probe};
use bearward_token::expiry::Moment;

use crate::entry::{Claim, Entry, Upkeep};
use crate::error::{Failure, SupplyError};
use crate::grant::Revoked;
use crate::held::{Held, Supplied};
use crate::keeper::TOTAL;
use crate::lifetime::clamp_min_ttl;
use crate::sync::{spawn, watch};

/// So long before its end readiness tells of a token that a person must replace: longer than a weekend.
const NOTICE: Duration = Duration::from_secs(3 * 24 * 3600);

/// Hands out one key's token. Cheap to clone; clones share the token.
#[derive(Debug, Clone)]
pub struct Handle {
    label: Label,
    entry: Arc<Entry>,
}

/// The name that tokens are counted under, with its counter looked up once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Label {
    name: Arc<str>,
    hits: Hits,
}

/// What a caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Time that the access token should have left; asks for an earlier refresh, and never makes a caller wait
    /// for it. Clamped to half of the token's lifetime.
    pub min_ttl: Duration,
    /// The same for the ID token.
    pub min_ttl_id: Duration,
    /// How long the caller will wait when there is no usable token.
    pub patience: Duration,
}

/// Follows the tokens of a key as they change.
#[derive(Debug)]
pub struct Changes {
    entry: Arc<Entry>,
    settled: watch::Receiver<u64>,
    last: Option<Supplied>,
}

impl Default for Wanted {
    fn default() -> Self {
        // Most flights say by then why they have failed, which is worth more than that it takes long.
        let patience = TOTAL + Duration::from_secs(1);
        Self { min_ttl: Duration::ZERO, min_ttl_id: Duration::ZERO, patience }
    }
}

impl Label {
    /// A label; `name` must be configured, for it is one in metrics too.
    pub fn new(name: &str, observer: &Observer) -> Self {
        let name: Arc<str> = name.into();
        let hits = observer.metrics().hits(&name);
        Self { name, hits }
    }

    /// The name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}

impl Handle {
    pub(crate) fn new(label: Label, entry: Arc<Entry>) -> Self {
        Self { label, entry }
    }

    /// A token that is alive. Fresh: at once, without a lock. In the soft window: at once, and a refresh
    /// starts. Otherwise it waits for the one flight, at most `wanted.patience`.
    ///
    /// # Errors
    /// Why there is none, and when to come back. Never an expired token (HARD 6).
    pub async fn ensure_access(&self, wanted: &Wanted) -> Result<Supplied, SupplyError> {
        match self.fresh(wanted) {
            Some(fresh) => Ok(fresh),
            None => self.arriving(wanted).await,
        }
    }

    /// A token with `wanted.min_ttl` left, as far as half of a token's lifetime allows: waits for a newer one where the
    /// current one has less. For who cannot come back for the next, such as a script.
    ///
    /// # Errors
    /// As [`Handle::ensure_access`]: while the current token is alive, it is better than an error.
    pub async fn ensure_lasting(&self, wanted: &Wanted) -> Result<Supplied, SupplyError> {
        let entry = &self.entry;
        let lasts =
            |held: &Held| held.expiry.left(&*entry.clock) >= clamp_min_ttl(wanted.min_ttl, held.lifetime);
        let current = self.ensure_access(wanted).await?;
        if lasts(&current.held) {
            return Ok(current);
        }
        match wait(entry, wanted, false, lasts).await {
            Ok(Some(newer)) => Ok(newer),
            Ok(None) | Err(_) => self.fresh(wanted).ok_or_else(|| entry.last_error()),
        }
    }

    /// A token that needs no waiting for.
    pub(crate) fn fresh(&self, wanted: &Wanted) -> Option<Supplied> {
        let entry = &self.entry;
        let now = Moment::now(&*entry.clock);
        let held = entry.usable_at(&now)?;
        if is_due(&held, wanted, &now) {
            // Whether it starts one or one is under way: this caller has its token.
            let _ = entry.claim(Some(&held));
        }
        entry.observer.hit(&self.label.hits);
        Some(Supplied { held })
    }

    /// A token that must be waited for.
    pub(crate) async fn arriving(&self, wanted: &Wanted) -> Result<Supplied, SupplyError> {
        let found = wait(&self.entry, wanted, false, |_| true).await?;
        found.ok_or_else(|| self.entry.last_error())
    }

    /// The same with the ID token that belongs to it, of one flight: what [`Supplied::id_token`] then gives.
    ///
    /// # Errors
    /// As [`Handle::ensure_access`]; and [`Failure::NoIdToken`] when the authorization server gives none. An ID token
    /// alone is asked for at most every 30 s.
    pub async fn ensure_access_and_id(&self, wanted: &Wanted) -> Result<Supplied, SupplyError> {
        let entry = &self.entry;
        let now = Moment::now(&*entry.clock);
        let held = entry.usable_at(&now);
        if let Some(held) = &held
            && let Some(id) = held.id_at(&now)
        {
            // One that the last refresh did not renew would not be renewed by the next either.
            let is_id_due =
                !id.is_carried && id.expiry.left_at(&now) < clamp_min_ttl(wanted.min_ttl_id, id.lifetime);
            if is_due(held, wanted, &now) || is_id_due {
                let _ = entry.claim(Some(held));
            }
            entry.observer.hit(&self.label.hits);
            return Ok(Supplied { held: held.clone() });
        }
        let has_id = |held: &Held| held.id_at(&Moment::now(&*entry.clock)).is_some();
        let found = wait(entry, wanted, held.is_some(), has_id).await?;
        found.ok_or_else(|| match entry.usable() {
            Some(_) => {
                let retry_after = entry.may_force_in();
                SupplyError { failure: Arc::new(Failure::NoIdToken), retry_after }
            }
            None => entry.last_error(),
        })
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
        let other = |held: &Held| !refused.is(held);
        if let Some(held) = self.entry.usable().filter(|held| other(held)) {
            return Ok(Some(Supplied { held }));
        }
        self.entry.grant.refused(refused.token());
        wait(&self.entry, wanted, true, other).await
    }

    /// Drops the token if it still is the refused one, so that nobody gets it any more; at most once in 30 s
    /// (HARD 15). True when it was dropped.
    pub fn invalidate(&self, refused: &Supplied) -> bool {
        let is_dropped = self.entry.drop_if(|held| refused.is(held));
        if is_dropped {
            self.entry.grant.refused(refused.token());
        }
        is_dropped
    }

    /// Ends the login that the token is of: forgets the token here and in its store, what other handles have of that login,
    /// and what could get another; a flight that is under way brings nothing any more (HARD 14). Revokes at the
    /// authorization server (RFC 7009), now or later. The next caller begins a new login, where the grant can do that by itself.
    ///
    /// # Errors
    /// When the store cannot be written; what can be forgotten is forgotten.
    pub async fn log_out(&self) -> Result<Revoked, SupplyError> {
        let entry = self.entry.clone();
        if entry.grant.is_local() {
            return Err(SupplyError { failure: Arc::new(Failure::NoLogin), retry_after: None });
        }
        // Once begun it is finished, also when nobody waits any more.
        let outcome = spawn(log_out(entry)).await.unwrap_or(Err(Failure::Fault));
        outcome.map_err(|failure| SupplyError { failure: Arc::new(failure), retry_after: None })
    }

    /// Starts getting the token before anybody asks for it.
    pub fn prefetch(&self) {
        let held = self.entry.current.load_full();
        if self.entry.usable().is_none() {
            let _ = self.entry.claim(held.as_ref());
        }
    }

    /// Completes once the store was asked for the token of an earlier process: at once where there is none to ask, and where
    /// nobody has asked for the token yet never. For who wants to be ready with the first answer (HARD 18).
    pub async fn warmed(&self) {
        let mut looked = self.entry.looked.subscribe();
        while !*looked.borrow_and_update() {
            if looked.changed().await.is_err() {
                return;
            }
        }
    }

    /// Every token from now on, as it comes.
    pub fn changes(&self) -> Changes {
        let settled = self.entry.settled.subscribe();
        let last = self.entry.usable().map(|held| Supplied { held });
        Changes { entry: self.entry.clone(), settled, last }
    }

    /// The current token, if there is one; asks nobody, and is no use of it.
    pub fn current(&self) -> Option<Supplied> {
        self.entry.usable().map(|held| Supplied { held })
    }

    /// Time left of the current token; `None` without one.
    pub fn expires_in(&self) -> Option<Duration> {
        self.entry.usable().map(|held| held.expiry.left(&*self.entry.clock))
    }

    /// True while its authorization server fails and is left alone.
    pub fn is_left_alone(&self) -> bool {
        self.entry.gate.is_open()
    }

    /// Whose token it is.
    pub fn name(&self) -> &Arc<str> {
        &self.label.name
    }

    pub(crate) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }
}

fn is_due(held: &Held, wanted: &Wanted, now: &Moment) -> bool {
    held.refresh_at.left_at(now).is_zero()
        || held.expiry.left_at(now) < clamp_min_ttl(wanted.min_ttl, held.lifetime)
}

async fn log_out(entry: Arc<Entry>) -> Result<Revoked, Failure> {
    let (logouts, held) = entry.forget();
    let mut cleared = entry.clear(logouts).await;
    let ended = entry.grant.end(held.as_ref().map(|held| &held.token)).await;
    // Who asked meanwhile may have got what the login gave before it ended.
    let (logouts, late) = entry.forget();
    if let Some(late) = late {
        cleared = cleared.and(entry.clear(logouts).await);
        entry.grant.discard(&late.token).await?;
    }
    cleared.and(ended)
}

/// Waits for a token that will do. `None`: the flight brought none that does, or a forced one is not due yet.
async fn wait(
    entry: &Arc<Entry>,
    wanted: &Wanted,
    mut by_force: bool,
    will_do: impl Fn(&Held) -> bool,
) -> Result<Option<Supplied>, SupplyError> {
    let mut patience = entry.clock.sleep(wanted.patience);
    loop {
        let (seen, epoch) = (entry.current.load_full(), entry.epoch());
        // A flight may have ended since the caller's first look.
        if let Some(held) = entry.usable().filter(|held| will_do(held)) {
            return Ok(Some(Supplied { held }));
        }
        // Where there is no token, nothing need be forced.
        let by_force_now = by_force && entry.usable().is_some();
        match if by_force_now { entry.claim_by_force(seen.as_ref()) } else { entry.claim(seen.as_ref()) } {
            Claim::Fetching { is_joined, mut landing } => {
                if is_joined {
                    entry.note_joined();
                }
                tokio::select! {
                    // What came in the last moment has come.
                    biased;
                    _ = landing.changed() => {}
                    () = &mut patience => {
                        let failure = Failure::Deadline { waited: wanted.patience };
                        return Err(SupplyError { failure: Arc::new(failure), retry_after: None });
                    }
                }
            }
            Claim::Landed => {}
            Claim::TooSoon => return Ok(None),
            Claim::Failing(error) => return Err(error),
        }
        let came = entry.usable();
        if let Some(held) = came.clone().filter(|held| will_do(held)) {
            return Ok(Some(Supplied { held }));
        }
        if let Some(error) = entry.failing() {
            return Err(error);
        }
        if came.is_some() || entry.is_stopped() || entry.epoch() != epoch {
            return Ok(None);
        }
        // It had begun before a logout that this caller came after: its own is still to come.
        by_force = false;
    }
}

impl Changes {
    /// The next token; `None` once the manager has stopped. Tokens that came and went between two calls are left out.
    pub async fn next(&mut self) -> Option<Supplied> {
        loop {
            if self.entry.is_stopped() {
                return None;
            }
            let now = self.entry.usable().filter(|held| self.last.as_ref().is_none_or(|last| !last.is(held)));
            if let Some(held) = now {
                let supplied = Supplied { held };
                self.last = Some(supplied.clone());
                return Some(supplied);
            }
            self.settled.changed().await.ok()?;
        }
    }
}

impl Probe for Handle {
    fn name(&self) -> String {
        format!("provider {}", self.label.name)
    }

    fn condition(&self) -> Condition {
        let left = self.expires_in();
        let failing = self.entry.failing();
        let at = |from_now: Duration| {
            let now = Duration::from_millis(self.entry.clock.unix_ms());
            let at = u64::try_from((now + from_now).as_millis()).unwrap_or(u64::MAX);
            format!("{} (in {} s)", rfc3339(at), from_now.as_secs())
        };
        let next = |error: &SupplyError| match error.retry_after {
            Some(pause) => format!("{error}; retry at {}", at(pause)),
            None => error.to_string(),
        };
        match (left, failing) {
            (Some(left), None) if self.entry.grant.is_local() && left < NOTICE => Condition::Degraded {
                reason: format!(
                    "the configured token expires in {} s, and nobody can get another: put a new one in its place",
                    left.as_secs()
                ),
            },
            (Some(_), None) => Condition::Ready,
            (Some(left), Some(error)) => {
                Condition::Degraded { reason: format!("old token until {}; {}", at(left), next(&error)) }
            }
            // Nobody tries again before somebody asks, and who is told that it is down may ask nobody.
            (None, Some(error))
                if self.entry.upkeep() == Upkeep::OnUse && error.retry_after == Some(Duration::ZERO) =>
            {
                Condition::Degraded { reason: format!("{error}; tried again for the next who asks") }
            }
            (None, Some(error)) => Condition::Down { reason: next(&error) },
            // Nobody asks, and nobody is to: it is fetched for the next who does.
            (None, None) if !self.entry.is_awaited() => Condition::Ready,
            (None, None) => Condition::Down { reason: "its token has not arrived yet".into() },
        }
    }
}
