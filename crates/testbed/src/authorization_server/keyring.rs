//! The server's signing keys: one signs, several are published.

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Value, json};

use crate::keys::{Algorithm, SigningKey};

/// Keys, the signing one last.
#[derive(Debug)]
pub struct Keyring {
    published: RwLock<Vec<Arc<SigningKey>>>,
}

impl Keyring {
    /// With one key.
    pub fn new(key: SigningKey) -> Self {
        Self { published: RwLock::new(vec![Arc::new(key)]) }
    }

    /// The key that signs.
    ///
    /// # Panics
    /// Never: the last key cannot be withdrawn.
    #[allow(clippy::expect_used, reason = "`withdraw` keeps the last key")]
    pub fn current(&self) -> Arc<SigningKey> {
        self.keys().last().expect("a keyring is never empty").clone()
    }

    /// A new key signs from now on; the others stay published.
    pub fn rotate(&self, algorithm: Algorithm) -> Arc<SigningKey> {
        let key = Arc::new(SigningKey::generate(algorithm));
        self.published.write().unwrap_or_else(PoisonError::into_inner).push(key.clone());
        key
    }

    /// Publishes a key that does not sign yet, as issuers announce their next one.
    pub fn announce(&self, algorithm: Algorithm) -> Arc<SigningKey> {
        let key = Arc::new(SigningKey::generate(algorithm));
        self.published.write().unwrap_or_else(PoisonError::into_inner).insert(0, key.clone());
        key
    }

    /// Publishes a key no longer. The last one stays.
    pub fn withdraw(&self, kid: &str) {
        let mut keys = self.published.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() > 1 {
            keys.retain(|key| key.kid() != kid);
        }
    }

    /// A published key by its id.
    pub fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.keys().into_iter().find(|key| key.kid() == kid)
    }

    /// The key set, as published.
    pub fn jwks(&self) -> Value {
        let keys: Vec<Value> = self.keys().iter().map(|key| key.public_jwk()).collect();
        json!({ "keys": keys })
    }

    fn keys(&self) -> Vec<Arc<SigningKey>> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
