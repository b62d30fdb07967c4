//! The keys that sign what Bearward says of callers, and how they change (Ed25519: RFC 8037).
//!
//! ```text
//!            published              signs                  published
//! next ──────── LEAD ────► current ── ROTATION ─► previous ── AFTERLIFE ─► gone
//! ```
//! A key stands in the key set before it signs, so that nobody meets one that it cannot find, and stays there until
//! the last thing it signed has died. Everything is decided when somebody asks; no task runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bearward_token::{Clock, JwsKey};
use serde_json::{Map, Value, json};

/// How long a key of our own signs.
pub const ROTATION: Duration = Duration::from_secs(24 * 3600);
/// How long the key set may be kept by those who verify.
pub const MAX_AGE: Duration = Duration::from_secs(300);
/// How long before it signs a key is published: whoever keeps the key set has read it anew by then.
const LEAD: Duration = Duration::from_secs(2 * 300);
/// How long a key that no longer signs stays published; longer than anything lives that it signed.
const AFTERLIFE: Duration = Duration::from_secs(600);

/// The signing keys of one process.
pub struct SigningKeys {
    clock: Arc<dyn Clock>,
    /// Keys that an operator gave change when the operator changes them.
    rotates: bool,
    state: Mutex<State>,
}

/// Why there is no key, or no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// It is not an Ed25519 key: those alone are small and fast enough to sign every request.
    #[error(
        "not an Ed25519 private key in PEM (PKCS #8): make one with `openssl genpkey -algorithm ed25519`"
    )]
    NotAKey,
    /// No key was given.
    #[error("no key to sign with")]
    NoKey,
    /// The cryptographic library failed.
    #[error("the key could not be used")]
    Failed,
}

struct State {
    current: JwsKey,
    /// Since when the current one signs.
    since: Duration,
    /// With the moment from which it signs.
    next: Option<(JwsKey, Duration)>,
    /// With the moment from which it is no longer published; `None`: as long as the operator says.
    previous: Vec<(JwsKey, Option<Duration>)>,
}

impl SigningKeys {
    /// Keys of this process's own, changed every day.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn own(clock: Arc<dyn Clock>) -> Result<Self, SigningError> {
        let current = JwsKey::generate().map_err(|_| SigningError::Failed)?;
        let since = clock.monotonic();
        let state = Mutex::new(State { current, since, next: None, previous: Vec::new() });
        Ok(Self { clock, rotates: true, state })
    }

    /// Keys that an operator gave, in PEM, newest first: the first signs, all are published. Instances that share them
    /// sign alike.
    ///
    /// # Errors
    /// When one is no key, or there is none.
    pub fn given<'a>(
        pems: impl IntoIterator<Item = &'a [u8]>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SigningError> {
        let mut keys = pems.into_iter().map(ed25519);
        let current = keys.next().ok_or(SigningError::NoKey)??;
        let previous = keys.map(|key| Ok((key?, None))).collect::<Result<_, SigningError>>()?;
        let since = clock.monotonic();
        let state = Mutex::new(State { current, since, next: None, previous });
        Ok(Self { clock, rotates: false, state })
    }

    /// A JWT of this type with these claims (RFC 7515 §7.1).
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn sign(&self, typ: &str, claims: &Map<String, Value>) -> Result<String, SigningError> {
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.advance(state);
        state.current.sign(typ, claims).map_err(|_| SigningError::Failed)
    }

    /// The published set: what signs, what will, and what did (RFC 7517 §5).
    pub fn jwks(&self) -> Value {
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.advance(state);
        let next = state.next.iter().map(|(key, _)| key);
        let previous = state.previous.iter().map(|(key, _)| key);
        let all = [&state.current].into_iter().chain(next).chain(previous);
        json!({ "keys": all.map(JwsKey::public_jwk).collect::<Vec<_>>() })
    }

    fn advance(&self, state: &mut State) {
        let now = self.clock.monotonic();
        state.previous.retain(|(_, until)| until.is_none_or(|until| now < until));
        if !self.rotates {
            return;
        }
        if let Some((_, ready)) = &state.next {
            if now < *ready {
                return;
            }
            if let Some((next, _)) = state.next.take() {
                let old = std::mem::replace(&mut state.current, next);
                state.previous.push((old, Some(now + AFTERLIFE)));
                state.since = now;
            }
        } else if now >= state.since + ROTATION.saturating_sub(LEAD) {
            // Without randomness the current one goes on.
            state.next = JwsKey::generate().ok().map(|key| (key, now + LEAD));
        }
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys")
    }
}

fn ed25519(pem: &[u8]) -> Result<JwsKey, SigningError> {
    let key = JwsKey::from_pem(pem).ok().filter(|key| key.algorithm() == "EdDSA");
    key.ok_or(SigningError::NotAKey)
}

#[cfg(test)]
mod tests;
