//! Remembers who a token speaks for, for at most a minute.
//!
//! Keyed by the SHA-256 of the whole token, one cache per guard, so it cannot answer for another token or
//! another guard (HARD 24). An entry counts only while the issuer's keys are the ones it was verified with,
//! so a withdrawn key takes its tokens along at once (HARD 23).

use std::sync::Arc;
use std::time::Duration;

use bearward_token::{Clock, Fingerprint};

use crate::bearer::Unverified;
use crate::verify::{Finding, Verified};

/// The longest that an entry may live (DESIGN: ≤ 60 s).
pub(crate) const MAX_TTL: Duration = Duration::from_secs(60);

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
}

impl Cache {
    /// A cache for at most `entries` tokens; `ttl` is cut to [`MAX_TTL`], zero keeps nothing.
    pub(crate) fn new(entries: u64, ttl: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { entries: moka::sync::Cache::new(entries), ttl: ttl.min(MAX_TTL), clock }
    }

    /// The finding for this very token, if it still holds.
    pub(crate) fn get(&self, token: Unverified<'_>) -> Option<Verified> {
        let key = Fingerprint::of(token.as_str());
        let entry = self.entries.get(&key)?;
        let holds = self.clock.monotonic() < entry.forget_at
            && self.clock.unix_ms() < entry.finding.dies_at_ms
            && entry.finding.is_current();
        if holds {
            return Some(entry.finding.verified.clone());
        }
        self.entries.invalidate(&key);
        None
    }

    /// Remembers a finding. Only verified tokens get here, so garbage cannot push them out (HARD 21).
    pub(crate) fn insert(&self, token: Unverified<'_>, finding: Finding) {
        if self.ttl.is_zero() {
            return;
        }
        let forget_at = self.clock.monotonic() + self.ttl;
        self.entries.insert(Fingerprint::of(token.as_str()), Entry { finding: Arc::new(finding), forget_at });
    }
}
