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

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_token::Clock;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The text is no key.
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

/// A member of the published set (RFC 8037 §2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct PublicKey {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: String,
    alg: &'static str,
    r#use: &'static str,
}

struct Key {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

struct State {
    current: Key,
    /// Since when the current one signs.
    since: Duration,
    /// With the moment from which it signs.
    next: Option<(Key, Duration)>,
    /// With the moment from which it is no longer published; `None`: as long as the operator says.
    previous: Vec<(Key, Option<Duration>)>,
}

impl SigningKeys {
    /// Keys of this process's own, changed every day.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn own(clock: Arc<dyn Clock>) -> Result<Self, SigningError> {
        let current = Key::generate()?;
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
        let mut keys = pems.into_iter().map(Key::from_pem);
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
        let header = json!({"alg": "EdDSA", "typ": typ, "kid": state.current.public.kid});
        let encoded = |value: Vec<u8>| URL_SAFE_NO_PAD.encode(value);
        let claims = serde_json::to_vec(claims).map_err(|_| SigningError::Failed)?;
        let message = format!("{}.{}", encoded(header.to_string().into_bytes()), encoded(claims));
        let signature = state.current.pair.try_sign(message.as_bytes()).map_err(|_| SigningError::Failed)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The published set: what signs, what will, and what did (RFC 7517 §5).
    pub fn jwks(&self) -> Value {
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.advance(state);
        let next = state.next.iter().map(|(key, _)| &key.public);
        let previous = state.previous.iter().map(|(key, _)| &key.public);
        let keys: Vec<&PublicKey> = [&state.current.public].into_iter().chain(next).chain(previous).collect();
        json!({ "keys": keys })
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
            state.next = Key::generate().ok().map(|key| (key, now + LEAD));
        }
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys")
    }
}

impl Key {
    fn generate() -> Result<Self, SigningError> {
        Ed25519KeyPair::generate().map(Self::new).map_err(|_| SigningError::Failed)
    }

    fn from_pem(pem: &[u8]) -> Result<Self, SigningError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| SigningError::NotAKey)?;
        // OpenSSL writes keys without their public half (RFC 5208), others with it (RFC 5958).
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        pair.map(Self::new).map_err(|_| SigningError::NotAKey)
    }

    /// Its id is its thumbprint (RFC 7638, RFC 8037 §A.3): the same key has the same everywhere.
    fn new(pair: Ed25519KeyPair) -> Self {
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
        let public = PublicKey { kty: "OKP", crv: "Ed25519", x, kid, alg: "EdDSA", r#use: "sig" };
        Self { pair, public }
    }
}

#[cfg(test)]
mod tests;
