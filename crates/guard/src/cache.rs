//! Remembers who a token speaks for, for at most a minute.
//!
//! One cache per guard. A keyed hash finds an entry and the whole token decides, so it cannot answer for another token or
//! another guard (HARD 24). An entry counts only while the issuer's keys are the ones it was verified with, so a
//! withdrawn key takes its tokens along at once (HARD 23).

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bearward_token::{AccessToken, Claims, Clock, Fingerprint};
use foldhash::quality::RandomState;
use quick_cache::Weighter;
use quick_cache::sync::{Cache as Entries, DefaultLifecycle};
use serde_json::{Map, Value};

use crate::bearer::Unverified;
use crate::verify::{Finding, Verified};

/// The longest that an entry may live (DESIGN: ≤ 60 s).
pub(crate) const MAX_TTL: Duration = Duration::from_secs(60);

/// An entry counts for at least so many bytes. So the bound on entries is a bound on memory as well: larger
/// tokens take the room of several.
const USUAL_BYTES: u32 = 8 * 1024;
const CLAIMS_FACTOR: usize = 6;
/// Room for so many is made at the start, whatever the bound: a cache that may be large begins small.
const EXPECTED: u64 = 1_000;

/// A guard's verified tokens.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: Entries<Token, Arc<Entry>, Bytes, RandomState>,
    ttl: Duration,
    clock: Arc<dyn Clock>,
}

/// A verified token, wiped when it is forgotten. Its hash is keyed anew by each process: nobody can choose tokens that meet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token(AccessToken);

#[derive(Debug)]
struct Entry {
    finding: Finding,
    /// On the monotonic clock.
    forget_at: Duration,
    /// About how much memory it takes.
    bytes: u32,
}

#[derive(Debug, Clone)]
struct Bytes;

impl Cache {
    /// A cache for at most `entries` tokens, fewer where they are large; `ttl` is cut to [`MAX_TTL`], zero keeps
    /// nothing.
    pub(crate) fn new(entries: u64, ttl: Duration, clock: Arc<dyn Clock>) -> Self {
        let room = entries.saturating_mul(u64::from(USUAL_BYTES));
        let expected = usize::try_from(entries.min(EXPECTED)).unwrap_or_default();
        let hash = RandomState::default();
        let cache = Entries::with(expected, room, Bytes, hash, DefaultLifecycle::default());
        Self { entries: cache, ttl: ttl.min(MAX_TTL), clock }
    }

    /// The finding for this very token, if it still holds.
    pub(crate) fn get(&self, token: Unverified<'_>) -> Option<Verified> {
        let entry = self.entries.get(token.as_str())?;
        if self.left(&entry).is_some() {
            return Some(entry.finding.verified.clone());
        }
        self.entries.remove(token.as_str());
        None
    }

    /// How long a token is still remembered; `None`: it is not. Looks through all of them, for who knows no more of the
    /// token than its SHA-256.
    pub(crate) fn remembers(&self, token: &Fingerprint) -> Option<Duration> {
        let (_, entry) = self.entries.iter().find(|(known, _)| known.0.fingerprint() == *token)?;
        self.left(&entry)
    }

    /// How long an entry still holds; a hundredth of a second does not matter to that.
    fn left(&self, entry: &Entry) -> Option<Duration> {
        let (unix_ms, monotonic) = self.clock.both();
        let to_forget = entry.forget_at.checked_sub(monotonic)?;
        let to_die = entry.finding.verified.dies_at_ms().checked_sub(unix_ms)?;
        let left = to_forget.min(Duration::from_millis(to_die));
        (!left.is_zero() && entry.finding.is_current()).then_some(left)
    }

    /// Remembers a finding. Only verified tokens get here, so garbage cannot push them out (HARD 21).
    pub(crate) fn insert(&self, token: Unverified<'_>, finding: Finding) {
        if self.ttl.is_zero() {
            return;
        }
        let (_, now) = self.clock.both();
        // Of an opaque token the claims came from elsewhere, and may be far longer than the token.
        let said = token.as_str().len().max(weight_of(&finding.verified.claims));
        // Parsed, they take a few times the room of their text.
        let bytes = u32::try_from(said.saturating_mul(CLAIMS_FACTOR)).unwrap_or(u32::MAX);
        let entry = Entry { finding, forget_at: now + self.ttl, bytes };
        self.entries.insert(Token(AccessToken::new(token.as_str())), Arc::new(entry));
    }
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.expose().hash(state);
    }
}

// What finds it before it is verified: the same text has the same hash.
impl Borrow<str> for Token {
    fn borrow(&self) -> &str {
        self.0.expose()
    }
}

impl Weighter<Token, Arc<Entry>> for Bytes {
    fn weight(&self, _: &Token, entry: &Arc<Entry>) -> u64 {
        entry.bytes.max(USUAL_BYTES).into()
    }
}

/// As many bytes as the claims have as JSON, or about as many.
fn weight_of(claims: &Claims) -> usize {
    claims.text().map_or_else(|| weight(claims), <[u8]>::len)
}

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
