//! Remembers who a token speaks for, for at most a minute.
//!
//! Keyed by the SHA-256 of the whole token, one cache per guard, so it cannot answer for another token or
//! another guard (HARD 24). An entry counts only while the issuer's keys are the ones it was verified with,
//! so a withdrawn key takes its tokens along at once (HARD 23).

use std::sync::Arc;
use std::time::Duration;

use bearward_token::{Clock, Fingerprint};
use moka::policy::EvictionPolicy;
use serde_json::{Map, Value};

use crate::bearer::Unverified;
use crate::verify::{Finding, Verified};

/// The longest that an entry may live (DESIGN: ≤ 60 s).
pub(crate) const MAX_TTL: Duration = Duration::from_secs(60);

/// An entry counts for at least so many bytes. So the bound on entries is a bound on memory as well: larger
/// tokens take the room of several.
const USUAL_BYTES: u32 = 8 * 1024;
const CLAIMS_FACTOR: usize = 6;

/// A guard's verified tokens.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: moka::sync::Cache<Fingerprint, Entry>,
    ttl: Duration,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Clone)]
struct Entry {
    finding: Arc<Finding>,
    /// On the monotonic clock.
    forget_at: Duration,
    /// About how much memory it takes.
    bytes: u32,
}

impl Cache {
    /// A cache for at most `entries` tokens, fewer where they are large; `ttl` is cut to [`MAX_TTL`], zero keeps
    /// nothing.
    pub(crate) fn new(entries: u64, ttl: Duration, clock: Arc<dyn Clock>) -> Self {
        let ttl = ttl.min(MAX_TTL);
        // What is dead must not keep its place, and a new token must get one whatever was used before.
        let cache = moka::sync::Cache::builder()
            .max_capacity(entries.saturating_mul(u64::from(USUAL_BYTES)))
            .weigher(|_, entry: &Entry| entry.bytes.max(USUAL_BYTES))
            .time_to_live(MAX_TTL)
            .eviction_policy(EvictionPolicy::lru());
        Self { entries: cache.build(), ttl, clock }
    }

    /// The finding for this very token, if it still holds.
    pub(crate) fn get(&self, token: Unverified<'_>) -> Option<Verified> {
        let key = Fingerprint::of(token.as_str());
        let entry = self.entries.get(&key)?;
        if self.left(&entry).is_some() {
            return Some(entry.finding.verified.clone());
        }
        self.entries.invalidate(&key);
        None
    }

    /// How long a token is still remembered; `None`: it is not.
    pub(crate) fn remembers(&self, token: &Fingerprint) -> Option<Duration> {
        self.left(&self.entries.get(token)?)
    }

    /// How long an entry still holds.
    fn left(&self, entry: &Entry) -> Option<Duration> {
        let to_forget = entry.forget_at.checked_sub(self.clock.monotonic())?;
        let to_die = entry.finding.verified.dies_at_ms().checked_sub(self.clock.unix_ms())?;
        let left = to_forget.min(Duration::from_millis(to_die));
        (!left.is_zero() && entry.finding.is_current()).then_some(left)
    }

    /// Remembers a finding. Only verified tokens get here, so garbage cannot push them out (HARD 21).
    pub(crate) fn insert(&self, token: Unverified<'_>, finding: Finding) {
        if self.ttl.is_zero() {
            return;
        }
        let forget_at = self.clock.monotonic() + self.ttl;
        // Of an opaque token the claims came from elsewhere, and may be far longer than the token.
        let said = token.as_str().len().max(weight(&finding.verified.claims));
        // Parsed, they take a few times the room of their text.
        let bytes = u32::try_from(said.saturating_mul(CLAIMS_FACTOR)).unwrap_or(u32::MAX);
        let entry = Entry { finding: Arc::new(finding), forget_at, bytes };
        self.entries.insert(Fingerprint::of(token.as_str()), entry);
    }
}

/// About as many bytes as the claims have as JSON.
fn weight(claims: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len() + 2,
            Value::Array(items) => items.iter().map(|item| of(item) + 1).sum::<usize>() + 2,
            Value::Object(members) => weight(members),
            _ => 8,
        }
    }
    claims.iter().map(|(name, value)| name.len() + 4 + of(value)).sum()
}

#[cfg(test)]
mod tests;
