//! What was revoked before its time: single tokens, login sessions, everything that a subject was given before a moment.
//!
//! Looked at with every request, after the verification cache, so that a revocation counts from the next request on
//! (HARD 23); whoever holds an open stream follows [`Revocations::follow`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bearward_token::{Clock, Issuer, Principal};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Most revocations that are kept. None is ever forgotten to make room: that would bring a token back.
pub const MOST: usize = 100_000;
/// Kept so long when nobody says otherwise: no access token should live longer.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Kept at most so long.
const KEPT_AT_MOST: Duration = Duration::from_secs(90 * 24 * 3600);

/// One revocation, as it is written in files and sent to the admin API. Exactly one of `jti`, `sid` and `sub`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revocation {
    /// Of this issuer's tokens; left out: of any issuer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The token with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// All tokens of this login session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// All tokens of this subject that were issued before [`Revocation::issued_before`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// With `sub`: seconds since the Unix epoch; left out: now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<u64>,
    /// Until when it must be remembered, in seconds since the Unix epoch; left out: for a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// Where a revocation comes from. What one source says is replaced by that source alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The admin API.
    Api,
    /// A watched file.
    File,
    /// OpenID Connect back-channel logout.
    Logout,
    /// A security event (RFC 8417).
    SecurityEvent,
}

/// Why a revocation cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// It names nothing, or several things.
    #[error("a revocation names exactly one of `jti`, `sid` and `sub`, and `issuedBefore` only with `sub`")]
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
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    source: Source,
    issuer: Option<Issuer>,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum What {
    Token(Arc<str>),
    Session(Arc<str>),
    Subject(Arc<str>),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// For subjects, in seconds since the Unix epoch.
    issued_before: u64,
    until: u64,
}

impl Revocations {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, entries: RwLock::default(), count: AtomicUsize::new(0), changes: watch::channel(0).0 }
    }

    /// Whether a caller's token was revoked.
    pub fn is_revoked(&self, caller: &Principal) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let now = self.clock.unix_seconds();
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let names = [
            caller.token_id.clone().map(What::Token),
            caller.session_id.clone().map(What::Session),
            Some(What::Subject(caller.subject.clone())),
        ];
        let issuers = [Some(caller.issuer.clone()), None];
        names.into_iter().flatten().any(|what| {
            issuers.iter().any(|issuer| {
                Source::ALL.iter().any(|source| {
                    let key = Key { source: *source, issuer: issuer.clone(), what: what.clone() };
                    entries
                        .get(&key)
                        .is_some_and(|entry| now < entry.until && entry.covers(&key.what, caller))
                })
            })
        })
    }

    /// Adds one.
    ///
    /// # Errors
    /// As [`RevocationError`] says.
    pub fn add(&self, source: Source, revocation: &Revocation) -> Result<(), RevocationError> {
        let now = self.clock.unix_seconds();
        let (key, entry) = revocation.read(source, now)?;
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST && !entries.contains_key(&key) {
            entries.retain(|_, entry| now < entry.until);
            if entries.len() >= MOST {
                return Err(RevocationError::Full);
            }
        }
        let known = entries.get(&key).copied();
        // A later word about the same subject takes nothing back.
        let issued_before =
            known.map_or(entry.issued_before, |known| known.issued_before.max(entry.issued_before));
        let until = known.map_or(entry.until, |known| known.until.max(entry.until));
        entries.insert(key, Entry { issued_before, until });
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
        let others = entries.iter().filter(|(key, entry)| key.source != source && now < entry.until);
        let kept: HashMap<_, _> = others.map(|(key, entry)| (key.clone(), *entry)).chain(new).collect();
        if kept.len() > MOST {
            return Err((all.len(), RevocationError::Full));
        }
        *entries = kept;
        self.changed(&entries);
        Ok(())
    }

    /// Takes one back; `false` when there was none like it from this source.
    ///
    /// # Errors
    /// As [`RevocationError`] says.
    pub fn remove(&self, source: Source, revocation: &Revocation) -> Result<bool, RevocationError> {
        let (key, _) = revocation.read(source, self.clock.unix_seconds())?;
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let was_there = entries.remove(&key).is_some();
        self.changed(&entries);
        Ok(was_there)
    }

    /// All that still count.
    pub fn list(&self) -> Vec<(Source, Revocation)> {
        let now = self.clock.unix_seconds();
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.iter().filter(|(_, entry)| now < entry.until).map(|(key, entry)| key.write(*entry)).collect()
    }

    /// Changes whenever a revocation is added or taken back.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self, entries: &HashMap<Key, Entry>) {
        self.count.store(entries.len(), Ordering::Release);
        self.changes.send_modify(|changes| *changes += 1);
    }
}

impl Source {
    const ALL: [Self; 4] = [Self::Api, Self::File, Self::Logout, Self::SecurityEvent];
}

impl Entry {
    fn covers(&self, what: &What, caller: &Principal) -> bool {
        // A token that does not say when it was issued cannot show that it is newer.
        !matches!(what, What::Subject(_))
            || caller.issued_at.is_none_or(|issued_at| issued_at < self.issued_before)
    }
}

impl Revocation {
    fn read(&self, source: Source, now: u64) -> Result<(Key, Entry), RevocationError> {
        let what = match (&self.jti, &self.sid, &self.sub, self.issued_before) {
            (Some(jti), None, None, None) => What::Token(jti.as_str().into()),
            (None, Some(sid), None, None) => What::Session(sid.as_str().into()),
            (None, None, Some(sub), _) => What::Subject(sub.as_str().into()),
            _ => return Err(RevocationError::Unclear),
        };
        let issuer = self.issuer.as_ref().map(|issuer| issuer.parse::<Issuer>());
        let issuer = issuer.transpose().map_err(|error| RevocationError::Issuer(error.to_string()))?;
        let until = self.until.unwrap_or(now + KEPT.as_secs()).min(now + KEPT_AT_MOST.as_secs());
        // A token issued within the very second may be the newer one; the older is the safer guess.
        let issued_before = self.issued_before.unwrap_or(now + 1);
        Ok((Key { source, issuer, what }, Entry { issued_before, until }))
    }
}

impl Key {
    fn write(&self, entry: Entry) -> (Source, Revocation) {
        let text = |name: &Arc<str>| Some(name.to_string());
        let (jti, sid, sub) = match &self.what {
            What::Token(jti) => (text(jti), None, None),
            What::Session(sid) => (None, text(sid), None),
            What::Subject(sub) => (None, None, text(sub)),
        };
        let issued_before = sub.as_ref().map(|_| entry.issued_before);
        let issuer = self.issuer.as_ref().map(|issuer| issuer.as_str().to_owned());
        (self.source, Revocation { issuer, jti, sid, sub, issued_before, until: Some(entry.until) })
    }
}

#[cfg(test)]
mod tests;
