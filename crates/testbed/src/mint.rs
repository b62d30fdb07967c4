//! Makes tokens, right ones and every kind of wrong one, so that a test shows what is special about its
//! token and nothing else.

use std::sync::Arc;

use aws_lc_rs::hmac;
use serde_json::{Map, Value, json};

use crate::keys::{SigningKey, b64};

/// A token in the making. Starts as a good access token (RFC 9068); each call bends one thing.
#[derive(Debug, Clone)]
pub struct TokenBuilder {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signer: Signer,
}

#[derive(Debug, Clone)]
enum Signer {
    Key(Arc<SigningKey>),
    /// HMAC with the key's public half as the secret (RFC 8725 §2.1).
    PublicKeyAsSecret(Arc<SigningKey>),
    Nobody,
    Garbage,
}

impl TokenBuilder {
    /// A good token of `issuer`, signed with `key`, for one hour from `now` (seconds since the epoch),
    /// subject `alice`, client `test-client`. It has no audience yet.
    pub fn new(issuer: &str, key: Arc<SigningKey>, now: u64) -> Self {
        let header = json!({"alg": key.algorithm().name(), "typ": "at+jwt", "kid": key.kid()});
        let claims = json!({
            "iss": issuer, "sub": "alice", "client_id": "test-client", "iat": now, "exp": now + 3600,
            "jti": crate::random_id(),
        });
        Self { header: object(header), claims: object(claims), signer: Signer::Key(key) }
    }

    /// `aud`: a string.
    #[must_use]
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// `sub`.
    #[must_use]
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// `scope`, space-separated.
    #[must_use]
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Any claim, replacing what stood there.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Without a claim.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Any header member.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// Without a header member.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Signed by another key, with the header unchanged: somebody who knows the `kid` alone.
    #[must_use]
    pub fn forged_with(mut self, key: Arc<SigningKey>) -> Self {
        self.signer = Signer::Key(key);
        self
    }

    /// `alg: none`, and no signature.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.signer = Signer::Nobody;
        self.header("alg", "none")
    }

    /// `alg: HS256`, signed with the public key's bytes as the secret.
    #[must_use]
    pub fn signed_with_public_key_as_secret(mut self) -> Self {
        if let Signer::Key(key) = self.signer {
            self.signer = Signer::PublicKeyAsSecret(key);
        }
        self.header("alg", "HS256")
    }

    /// A signature that is only noise.
    #[must_use]
    pub fn with_garbage_signature(mut self) -> Self {
        self.signer = Signer::Garbage;
        self
    }

    /// The token.
    pub fn build(&self) -> String {
        let encode = |part: &Map<String, Value>| b64(&serde_json::to_vec(part).unwrap_or_default());
        self.build_from_parts(&encode(&self.header), &encode(&self.claims))
    }

    /// The token with a payload written by hand, for JSON that no serializer would write.
    pub fn build_with_raw_claims(&self, claims: &str) -> String {
        let header = b64(&serde_json::to_vec(&self.header).unwrap_or_default());
        self.build_from_parts(&header, &b64(claims.as_bytes()))
    }

    fn build_from_parts(&self, header: &str, claims: &str) -> String {
        let message = format!("{header}.{claims}");
        let signature = match &self.signer {
            Signer::Key(key) => key.sign(message.as_bytes()),
            Signer::PublicKeyAsSecret(key) => {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, &key.public_der());
                hmac::sign(&secret, message.as_bytes()).as_ref().to_vec()
            }
            Signer::Nobody => Vec::new(),
            Signer::Garbage => vec![0x5a; 256],
        };
        format!("{message}.{}", b64(&signature))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
