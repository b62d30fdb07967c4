//! What the server was asked, and every secret it ever gave out or knows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::faults::Place;

/// Counters of one server.
#[derive(Debug, Default)]
pub struct Counts {
    state: Mutex<Asked>,
    secrets: Mutex<Vec<String>>,
    raw_bytes: Arc<AtomicU64>,
}

/// A snapshot of the counters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Requests by endpoint, faults included.
    pub endpoints: BTreeMap<String, u64>,
    /// Token requests by grant type, whatever came of them.
    pub grants: BTreeMap<String, u64>,
    /// Tokens issued by grant type.
    pub issued: BTreeMap<String, u64>,
    /// How often each refresh token was presented, by its SHA-256 in hex.
    pub refresh_tokens: BTreeMap<String, u64>,
}

impl Asked {
    /// Requests at one endpoint.
    pub fn at(&self, place: Place) -> u64 {
        self.endpoints.get(&name(place)).copied().unwrap_or(0)
    }

    /// Token requests with one grant type.
    pub fn grant(&self, grant_type: &str) -> u64 {
        self.grants.get(grant_type).copied().unwrap_or(0)
    }
}

impl Counts {
    /// The counters right now.
    pub fn snapshot(&self) -> Asked {
        self.state().clone()
    }

    /// All counters to zero; what is known of secrets stays.
    pub fn reset(&self) {
        *self.state() = Asked::default();
    }

    /// Every token, code and secret that this server issued, minted or was configured with: what must not
    /// be found in anybody's output.
    pub fn secrets(&self) -> Vec<String> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many bytes of raw faults were sent, or were about to be when the peer went away.
    pub fn raw_bytes_sent(&self) -> u64 {
        self.raw_bytes.load(Ordering::SeqCst)
    }

    pub(super) fn raw_bytes(&self) -> Arc<AtomicU64> {
        self.raw_bytes.clone()
    }

    pub(super) fn asked(&self, place: Place) {
        *self.state().endpoints.entry(name(place)).or_default() += 1;
    }

    pub(super) fn grant_asked(&self, grant_type: &str) {
        // Bounded, though a client can send any word.
        let mut state = self.state();
        if state.grants.len() < 100 {
            *state.grants.entry(grant_type.to_owned()).or_default() += 1;
        }
    }

    pub(super) fn token_issued(&self, grant_type: &str) {
        *self.state().issued.entry(grant_type.to_owned()).or_default() += 1;
    }

    pub(super) fn refresh_presented(&self, token: &str) {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        *self.state().refresh_tokens.entry(hex::encode(hash)).or_default() += 1;
    }

    pub(super) fn remember(&self, secret: &str) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(secret.to_owned());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(place: Place) -> String {
    format!("{place:?}").to_lowercase()
}
