//! The issuer's keys as the notes API knows them: found by OpenID discovery when the first token arrives,
//! looked up again when a token names a key that is not among them.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bearward_token::Clock;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Unknown key ids make it ask the issuer again at most this often. The first time they do it asks at
/// once, so that a rotation soon after the start is followed.
const COOLDOWN: Duration = Duration::from_secs(5);

/// How long the issuer may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    issuer: String,
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    known: RwLock<JwkSet>,
    /// When they were last asked for again. Held while asking: one asks, the others wait for the answer.
    again: tokio::sync::Mutex<Option<Duration>>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl IssuerKeys {
    /// # Errors
    /// When the machine cannot make HTTP requests at all.
    pub(super) fn new(issuer: String, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let client =
            reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().map_err(io::Error::other)?;
        let known = RwLock::new(JwkSet { keys: Vec::new() });
        Ok(Self { issuer, client, clock, known, again: tokio::sync::Mutex::new(None) })
    }

    /// A key by its id. `None`: the issuer has no such key, or cannot be asked now.
    pub(super) async fn key(&self, kid: &str) -> Option<DecodingKey> {
        if let Some(key) = self.known_key(kid) {
            return Some(key);
        }
        let mut again = self.again.lock().await;
        if let Some(key) = self.known_key(kid) {
            return Some(key);
        }
        // Nothing known yet: this is the first time and no repetition.
        if !self.known.read().unwrap_or_else(PoisonError::into_inner).keys.is_empty() {
            let now = self.clock.monotonic();
            if again.is_some_and(|last| now.saturating_sub(last) < COOLDOWN) {
                return None;
            }
            *again = Some(now);
        }
        let keys = self.fetch().await?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = keys;
        self.known_key(kid)
    }

    fn known_key(&self, kid: &str) -> Option<DecodingKey> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        DecodingKey::from_jwk(known.find(kid)?).ok()
    }

    async fn fetch(&self) -> Option<JwkSet> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let discovery: Discovery = self.get(&url).await?;
        // OpenID Connect Discovery §4.3: identical, or the document is somebody else's.
        if discovery.issuer != self.issuer {
            return None;
        }
        self.get(&discovery.jwks_uri).await
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Option<T> {
        let answer = self.client.get(url).send().await.ok()?.error_for_status().ok()?;
        serde_json::from_slice(&answer.bytes().await.ok()?).ok()
    }
}
