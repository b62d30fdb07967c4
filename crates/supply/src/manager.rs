//! Owns all entries and their tasks; ends them when it is dropped.
//!
//! Keys that the configuration names are few, kept fresh, and found without a lock. Keys of single callers may be many:
//! they are kept while they are used, at most so many, and the one that was not used for longest goes first. Logins of users
//! have a room of their own: who may call a guard cannot push out what a user would have to sign in again for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bearward_observe::Observer;
use bearward_store::Store;
use bearward_token::{AccessToken, Clock, Issuer};
use foldhash::fast::RandomState;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::dependents::Dependent;
use crate::entry::{Entry, Founding, Upkeep};
use crate::error::{Failure, SupplyError};
use crate::gate::Gate;
use crate::grant::{Grant, Revoked};
use crate::handle::{Changes, Handle, Label, Wanted};
use crate::held::Supplied;
use crate::key::{KeyDigest, KeyParts, TokenKey};
use crate::shelf::Shelf;

/// So many callers' own tokens are kept at once.
pub const MAX_ON_USE: u64 = 10_000;
/// So many tokens of users' logins are kept at once.
pub const MAX_OF_LOGINS: u64 = 100_000;
/// A caller's own token that nobody asked for in this time is forgotten.
const IDLE: Duration = Duration::from_secs(3600);
/// A login's, which may be all that the user has: whoever ends the login forgets it sooner.
const IDLE_LOGIN: Duration = Duration::from_secs(24 * 3600);
/// How long a clean end waits for requests that are under way.
const LANDING: Duration = Duration::from_secs(10);

/// The token manager.
#[derive(Debug)]
pub struct TokenManager {
    clock: Arc<dyn Clock>,
    observer: Observer,
    fixed: ArcSwap<HashMap<KeyDigest, Handle, RandomState>>,
    pub(crate) on_use: OnUse,
    pub(crate) of_logins: OnUse,
    /// Shared with all entries, also with those that were forgotten while somebody waits for them.
    is_ending: Arc<AtomicBool>,
    inner: Mutex<Inner>,
}

/// Entries that are kept while they are used.
type OnUse = Cache<KeyDigest, Arc<Entry>, RandomState>;

#[derive(Debug)]
struct Inner {
    gates: HashMap<(Issuer, String), Arc<Gate>>,
    random: fastrand::Rng,
}

impl TokenManager {
    /// An empty manager. `seed` decides every jitter, so that a test can repeat a run.
    pub fn new(clock: Arc<dyn Clock>, observer: Observer, seed: u64) -> Self {
        let inner = Inner { gates: HashMap::new(), random: fastrand::Rng::with_seed(seed) };
        Self {
            clock,
            observer,
            fixed: ArcSwap::default(),
            on_use: while_used(MAX_ON_USE, IDLE),
            of_logins: while_used(MAX_OF_LOGINS, IDLE_LOGIN),
            is_ending: Arc::default(),
            inner: Mutex::new(inner),
        }
    }

    /// The handle for a configured key, under a name of its own. Asked for again, the same entry: equal keys share token
    /// and flight, and `grant` of the first one stays; its name is the one that fetches are counted under.
    pub fn handle(&self, name: &str, key: &TokenKey, grant: Arc<dyn Grant>) -> Handle {
        self.shelved(name, key, grant, Upkeep::Always, None)
    }

    /// The same, with a say in whether it is refreshed while nobody asks, and a store that the token outlives this process
    /// in.
    pub fn shelved(
        &self,
        name: &str,
        key: &TokenKey,
        grant: Arc<dyn Grant>,
        upkeep: Upkeep,
        store: Option<Arc<dyn Store>>,
    ) -> Handle {
        let label = Label::new(name, &self.observer);
        // Held to the end: of two that come at once the second finds what the first has put in.
        let mut inner = self.inner();
        let shelf = store.map(|store| Shelf::new(store, key, self.clock.clone()));
        if let Some(known) = self.fixed.load().get(&key.digest()) {
            known.entry().also(upkeep, shelf);
            return Handle::new(label, known.entry().clone());
        }
        let handle = Handle::new(label.clone(), self.entry(&mut inner, &label, key, grant, upkeep, shelf));
        let mut fixed = HashMap::clone(&self.fixed.load());
        fixed.insert(key.digest(), handle.clone());
        self.fixed.store(Arc::new(fixed));
        handle
    }

    /// The handle for a caller's own key. Its token is refreshed while it is used, and forgotten when it is not.
    pub fn on_use(&self, label: &Label, key: &TokenKey, grant: impl FnOnce() -> Arc<dyn Grant>) -> Handle {
        self.kept_in(&self.on_use, label, key, grant)
    }

    /// The same for a key of a user's login: kept for longer, and no caller's token takes its place.
    pub fn of_login(&self, label: &Label, key: &TokenKey, grant: impl FnOnce() -> Arc<dyn Grant>) -> Handle {
        self.kept_in(&self.of_logins, label, key, grant)
    }

    fn kept_in(
        &self,
        room: &OnUse,
        label: &Label,
        key: &TokenKey,
        grant: impl FnOnce() -> Arc<dyn Grant>,
    ) -> Handle {
        let entry = room.get_with(key.digest(), || {
            self.entry(&mut self.inner(), label, key, grant(), Upkeep::OnUse, None)
        });
        Handle::new(label.clone(), entry)
    }

    /// A token that is alive, for a key that a handle was made for; see [`Handle::ensure_access`].
    ///
    /// # Errors
    /// As there; and [`Failure::UnknownKey`].
    pub async fn ensure_access(&self, key: &TokenKey, wanted: &Wanted) -> Result<Supplied, SupplyError> {
        // Borrowed, not cloned: the way to a fresh token takes no lock and allocates nothing.
        if let Some(fresh) = self.fixed.load().get(&key.digest()).and_then(|handle| handle.fresh(wanted)) {
            return Ok(fresh);
        }
        self.find(key)?.ensure_access(wanted).await
    }

    /// The same with the ID token; see [`Handle::ensure_access_and_id`].
    ///
    /// # Errors
    /// As there; and [`Failure::UnknownKey`].
    pub async fn ensure_access_and_id(
        &self,
        key: &TokenKey,
        wanted: &Wanted,
    ) -> Result<Supplied, SupplyError> {
        self.find(key)?.ensure_access_and_id(wanted).await
    }

    /// Drops a key's token if it still is `refused`; see [`Handle::invalidate`].
    pub fn invalidate(&self, key: &TokenKey, refused: &AccessToken) -> bool {
        self.find(key).is_ok_and(|handle| handle.entry().drop_if(|held| held.token == *refused))
    }

    /// Every token of a key from now on, as it comes.
    ///
    /// # Errors
    /// [`Failure::UnknownKey`].
    pub fn changes(&self, key: &TokenKey) -> Result<Changes, SupplyError> {
        Ok(self.find(key)?.changes())
    }

    /// Ends a login: see [`Handle::log_out`].
    ///
    /// # Errors
    /// As there; and [`Failure::UnknownKey`].
    pub async fn log_out(&self, key: &TokenKey) -> Result<Revoked, SupplyError> {
        let outcome = self.find(key)?.log_out().await;
        self.forget(key);
        outcome
    }

    /// Forgets a caller's or a login's own key: who still holds its handle keeps that.
    pub fn forget(&self, key: &TokenKey) {
        self.on_use.invalidate(&key.digest());
        self.of_logins.invalidate(&key.digest());
    }

    /// Begins nothing any more, lets requests that are under way end, for at most ten seconds, and ends all tasks: a
    /// refresh token that is being spent is not lost. Callers that still wait get [`Failure::Stopped`].
    pub async fn shut_down(&self) {
        self.is_ending.store(true, Ordering::Release);
        let entries = self.entries();
        entries.iter().for_each(|entry| entry.retire());
        // A grant may be at work for longer than the flight that began it was waited for.
        let landed = entries.iter().map(|entry| async { tokio::join!(entry.landed(), entry.grant.landed()) });
        let landed = futures_util::future::join_all(landed);
        tokio::select! {
            _ = landed => {}
            () = self.clock.sleep(LANDING) => {}
        }
        self.stop();
    }

    /// Ends all tasks at once.
    fn stop(&self) {
        self.is_ending.store(true, Ordering::Release);
        self.entries().iter().for_each(|entry| entry.stop());
    }

    fn find(&self, key: &TokenKey) -> Result<Handle, SupplyError> {
        let digest = key.digest();
        let fixed = || self.fixed.load().get(&digest).cloned();
        let on_use = || {
            let entry = self.on_use.get(&digest).or_else(|| self.of_logins.get(&digest))?;
            Some(Handle::new(Label::new(&entry.name, &self.observer), entry))
        };
        let unknown = SupplyError { failure: Arc::new(Failure::UnknownKey), retry_after: None };
        fixed().or_else(on_use).ok_or(unknown)
    }

    /// What stands before an issuer for a client; one for all their keys.
    pub(crate) fn gate(&self, issuer: &Issuer, client: &str) -> Arc<Gate> {
        self.inner().gates.entry((issuer.clone(), client.to_owned())).or_default().clone()
    }

    fn entry(
        &self,
        inner: &mut Inner,
        label: &Label,
        key: &TokenKey,
        grant: Arc<dyn Grant>,
        upkeep: Upkeep,
        shelf: Option<Shelf>,
    ) -> Arc<Entry> {
        let KeyParts { issuer, client, .. } = key.parts();
        let entry = Arc::new(Entry::new(Founding {
            key: key.digest(),
            is_ending: self.is_ending.clone(),
            name: label.name().clone(),
            clock: self.clock.clone(),
            observer: self.observer.clone(),
            grant,
            gate: inner.gates.entry((issuer.clone(), client.clone())).or_default().clone(),
            upkeep,
            shelf,
            random: inner.random.fork(),
        }));
        entry.grant.kept_by(Dependent::of(&entry));
        entry
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        let fixed = self.fixed.load();
        fixed
            .values()
            .map(|handle| handle.entry().clone())
            .chain(self.on_use.iter().chain(&self.of_logins).map(|(_, entry)| entry))
            .collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that was used longest ago goes. By how often they are used, as is this cache's own way, a new caller's token
/// would go at once while others are busy, and be asked for again with every request.
fn while_used(most: u64, idle: Duration) -> OnUse {
    Cache::builder()
        .max_capacity(most)
        .eviction_policy(EvictionPolicy::lru())
        .time_to_idle(idle)
        .eviction_listener(|_, entry: Arc<Entry>, _| entry.forgotten())
        .build_with_hasher(RandomState::default())
}

impl Drop for TokenManager {
    fn drop(&mut self) {
        self.stop();
    }
}
