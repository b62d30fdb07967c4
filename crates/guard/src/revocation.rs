//! What was revoked before its time: single tokens, login sessions, everything that a subject was given before a moment.
//!
//! Looked at with every request, after the verification cache, so that a revocation counts from the next request on
//! (HARD 23); whoever holds an open stream follows [`Revocations::follow`].
//!
//! ```text
//! admin API ─┬─► add ──► table ─► is_revoked
//! receivers ─┘    └────► keep ──► journal, for the next process
//! watched file ► replace ► table
//! ```

mod entry;
mod journal;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bearward_token::{Clock, Principal};
use tokio::sync::watch;

use entry::{Entry, Key, What};
pub use entry::{Revocation, Source};
use journal::Keeping;
pub use journal::{Change, Journal, NotKept, Told};

/// Most revocations that are kept. None is ever forgotten to make room: that would bring a token back.
///
/// One takes about 270 bytes: 64 in the table, which may be half empty, and the texts of an issuer and of a subject of 36
/// characters. All take about 70 MB.
pub const MOST: usize = 250_000;

/// Why a revocation cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// It names nothing, or several things.
    #[error(
        "a revocation names exactly one of `jti`, `sid` and `sub`, and `issuedBefore` and `withoutSid` only with `sub`"
    )]
    Unclear,
    /// The issuer is no issuer.
    #[error("`issuer` is not an issuer: {0}")]
    Issuer(String),
    /// No room.
    #[error("{MOST} revocations are remembered already; they end by themselves, or remove some")]
    Full,
}

/// All revocations of a process. Shared by guards, receivers and the admin API.
#[derive(Debug)]
pub struct Revocations {
    clock: Arc<dyn Clock>,
    entries: RwLock<HashMap<Key, Entry>>,
    /// Most requests find none, and take no lock to see it.
    count: AtomicUsize,
    changes: watch::Sender<u64>,
    keeping: Option<Keeping>,
}

impl Revocations {
    /// None yet, and none that outlives the process.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (entries, changes) = (RwLock::default(), watch::channel(0).0);
        Self { clock, entries, count: AtomicUsize::new(0), changes, keeping: None }
    }

    /// Hands every change from now on to a journal that holds [`Revocations::lasting`] already. With a `failure`, why it
    /// does not, everything is written with the next [`Revocations::keep`].
    #[must_use]
    pub fn kept_by(self, journal: Box<dyn Journal>, failure: Option<String>) -> Self {
        Self { keeping: Some(Keeping::by(journal, failure)), ..self }
    }

    /// Whether a caller's token was revoked.
    pub fn is_revoked(&self, caller: &Principal) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let now = self.clock.unix_seconds();
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let issuers = [Some(caller.issuer.clone()), None];
        What::all_of(caller).any(|what| {
            issuers.iter().any(|issuer| {
                Source::ALL.iter().any(|source| {
                    let key = Key { source: *source, issuer: issuer.clone(), what: what.clone() };
                    entries
                        .get(&key)
                        .is_some_and(|entry| entry.counts(now) && entry.covers(&key.what, caller))
                })
            })
        })
    }

    /// Adds one. It counts at once; [`Revocations::keep`] makes it outlive the process.
    ///
    /// # Errors
    /// As [`RevocationError`] says.
    pub fn add(&self, source: Source, revocation: &Revocation) -> Result<(), RevocationError> {
        self.add_all(source, std::slice::from_ref(revocation))
    }

    /// Adds several: all of them, or with an error none.
    ///
    /// # Errors
    /// The first that cannot be taken, as [`RevocationError`] says.
    pub fn add_all(&self, source: Source, all: &[Revocation]) -> Result<(), RevocationError> {
        let now = self.clock.unix_seconds();
        let new = all.iter().map(|one| one.read(source, now)).collect::<Result<Vec<_>, _>>()?;
        self.insert(new, now)
    }

    fn insert(&self, new: Vec<(Key, Entry)>, now: u64) -> Result<(), RevocationError> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut entries, &new, now)?;
        for (key, entry) in new {
            let entry = entry.and(entries.get(&key));
            let source = key.source;
            self.will_keep(source, || Change::Add(Told { source, revocation: key.write(entry) }));
            entries.insert(key, entry);
        }
        self.changed(&entries);
        Ok(())
    }

    /// Replaces all that a source said before: all of it, or with an error nothing.
    ///
    /// # Errors
    /// The first that cannot be taken, with its place in the list, from 0.
    pub fn replace(&self, source: Source, all: &[Revocation]) -> Result<(), (usize, RevocationError)> {
        let now = self.clock.unix_seconds();
        let read = |(at, one): (usize, &Revocation)| one.read(source, now).map_err(|error| (at, error));
        let new = all.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let others = entries.iter().filter(|(key, entry)| key.source != source && entry.counts(now));
        let mut kept: HashMap<_, _> = others.map(|(key, entry)| (key.clone(), *entry)).collect();
        for (key, entry) in new {
            let entry = entry.and(kept.get(&key));
            kept.insert(key, entry);
        }
        if kept.len() > MOST {
            return Err((all.len(), RevocationError::Full));
        }
        *entries = kept;
        self.changed(&entries);
        Ok(())
    }

    /// Takes one back; `false` when there was none like it from this source. [`Revocations::keep`] makes that outlive
    /// the process.
    ///
    /// # Errors
    /// As [`RevocationError`] says.
    pub fn remove(&self, source: Source, revocation: &Revocation) -> Result<bool, RevocationError> {
        let (key, _) = revocation.read(source, self.clock.unix_seconds())?;
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.remove(&key) else { return Ok(false) };
        self.will_keep(source, || Change::Remove(Told { source, revocation: key.write(entry) }));
        self.changed(&entries);
        Ok(true)
    }

    /// Does again what a journal says was done.
    ///
    /// # Errors
    /// As [`RevocationError`] says.
    pub fn repeat(&self, change: &Change) -> Result<(), RevocationError> {
        let now = self.clock.unix_seconds();
        match change {
            Change::Add(told) => self.insert(vec![told.revocation.recall(told.source, now)?], now),
            Change::Remove(told) => self.remove(told.source, &told.revocation).map(drop),
        }
    }

    /// Returns when every change so far is in the journal. Without one there is nothing to do.
    ///
    /// # Errors
    /// When it cannot be written. The changes count all the same, and are written when it can be again.
    pub async fn keep(self: &Arc<Self>) -> Result<(), NotKept> {
        let Some(keeping) = &self.keeping else { return Ok(()) };
        let mut writer = keeping.writer.clone().lock_owned().await;
        if keeping.is_done(&writer) {
            return Ok(());
        }
        let this = self.clone();
        // The writer goes with it: who waits for the answer may go away, the writing goes on to its end.
        let writing = tokio::task::spawn_blocking(move || match &this.keeping {
            Some(keeping) => keeping.write(&mut writer, || this.lasting()),
            None => Ok(()),
        });
        writing.await.unwrap_or_else(|_| Err(NotKept("writing it broke off".into())))
    }

    /// Why the journal does not hold everything that counts; `None`: it does, or there is none.
    pub fn not_kept(&self) -> Option<String> {
        self.keeping.as_ref().and_then(Keeping::failure)
    }

    /// All that still count.
    pub fn list(&self) -> Vec<(Source, Revocation)> {
        let now = self.clock.unix_seconds();
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let counting = entries.iter().filter(|(_, entry)| entry.counts(now));
        counting.map(|(key, entry)| (key.source, key.write(*entry))).collect()
    }

    /// All that a journal must hold, copied so that nobody waits for the disk.
    pub fn lasting(&self) -> impl Iterator<Item = Change> + use<> {
        let now = self.clock.unix_seconds();
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let lasting = entries.iter().filter(|(key, entry)| key.source != Source::File && entry.counts(now));
        let lasting: Vec<_> = lasting.map(|(key, entry)| (key.clone(), *entry)).collect();
        lasting
            .into_iter()
            .map(|(key, entry)| Change::Add(Told { source: key.source, revocation: key.write(entry) }))
    }

    /// Changes whenever a revocation is added or taken back.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Called while the table is locked, so that the journal tells it in the order in which it happened. A file's own
    /// word stands in that file.
    fn will_keep(&self, source: Source, change: impl FnOnce() -> Change) {
        if let Some(keeping) = self.keeping.as_ref().filter(|_| source != Source::File) {
            keeping.wait([change()]);
        }
    }

    fn changed(&self, entries: &HashMap<Key, Entry>) {
        self.count.store(entries.len(), Ordering::Release);
        self.changes.send_modify(|changes| *changes += 1);
    }
}

/// A new one finds room, or none does.
fn make_room(
    entries: &mut HashMap<Key, Entry>,
    new: &[(Key, Entry)],
    now: u64,
) -> Result<(), RevocationError> {
    let has_room = |entries: &HashMap<Key, Entry>| {
        // Two that are the same are counted twice, which refuses too early by one.
        entries.len() + new.iter().filter(|(key, _)| !entries.contains_key(key)).count() <= MOST
    };
    if !has_room(entries) {
        entries.retain(|_, entry| entry.counts(now));
    }
    if has_room(entries) { Ok(()) } else { Err(RevocationError::Full) }
}

#[cfg(test)]
mod tests;
