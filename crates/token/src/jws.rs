//! Private keys of ours that sign JWTs (RFC 7515), and their public halves (RFC 7517).
//!
//! What signs is chosen by the key: RSA signs RS256, P-256 ES256, P-384 ES384, Ed25519 EdDSA.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

/// A key that signs.
pub struct JwsKey {
    pair: Pair,
    /// The members that RFC 7638 hashes.
    public: Value,
    kid: String,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why there is no key, or no signature. Never holds the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// The text is no private key in PEM, or of a kind that signs nothing here.
    #[error(
        "not a private key in PEM: RSA of at least 2048 bits, P-256, P-384 or Ed25519, as `openssl genpkey` writes it"
    )]
    NotAKey,
    /// The machine gave no randomness, or the cryptographic library failed.
    #[error("the key could not be used")]
    Failed,
}

impl JwsKey {
    /// A new Ed25519 key.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn generate() -> Result<Self, JwsError> {
        Ed25519KeyPair::generate().map(|pair| Self::new(Pair::Ed25519(pair))).map_err(|_| JwsError::Failed)
    }

    /// A key in PEM: PKCS #8, or the older forms of RSA and elliptic curves.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self, JwsError> {
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| JwsError::NotAKey)?;
        Pair::read(&der).map(Self::new).ok_or(JwsError::NotAKey)
    }

    /// Its id: its thumbprint (RFC 7638, RFC 8037 §A.3), so that the same key has the same everywhere.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with (RFC 7518 §3.1).
    pub fn algorithm(&self) -> &'static str {
        match &self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::P384(_) => "ES384",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// Its public half, with `kid`, `alg` and `use`.
    pub fn public_jwk(&self) -> Value {
        let mut jwk = self.public.clone();
        if let Value::Object(members) = &mut jwk {
            let common = [("kid", self.kid.as_str()), ("use", "sig"), ("alg", self.algorithm())];
            members.extend(common.map(|(name, value)| (name.to_owned(), value.into())));
        }
        jwk
    }

    /// A JWT of this type with these claims (RFC 7515 §7.1).
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn sign(&self, typ: &str, claims: &Map<String, Value>) -> Result<String, JwsError> {
        let header = json!({"alg": self.algorithm(), "typ": typ, "kid": self.kid});
        let claims = serde_json::to_vec(claims).map_err(|_| JwsError::Failed)?;
        let message = format!("{}.{}", b64(header.to_string().as_bytes()), b64(&claims));
        let signature = self.pair.sign(message.as_bytes())?;
        Ok(format!("{message}.{}", b64(&signature)))
    }

    fn new(pair: Pair) -> Self {
        let public = pair.public();
        let kid = b64(digest(&SHA256, public.to_string().as_bytes()).as_ref());
        Self { pair, public, kid }
    }
}

impl fmt::Debug for JwsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwsKey({} {})", self.algorithm(), self.kid)
    }
}

impl Pair {
    fn read(der: &PrivateKeyDer<'_>) -> Option<Self> {
        let (p256, p384) = (&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED_SIGNING);
        match der {
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                // OpenSSL writes Ed25519 keys without their public half (RFC 5208), others with it (RFC 5958).
                let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Self::Ed25519);
                let p256 = || EcdsaKeyPair::from_pkcs8(p256, der).ok().map(Self::P256);
                let p384 = || EcdsaKeyPair::from_pkcs8(p384, der).ok().map(Self::P384);
                ed25519().or_else(p256).or_else(p384).or_else(|| Self::rsa(RsaKeyPair::from_pkcs8(der).ok()))
            }
            PrivateKeyDer::Sec1(der) => {
                let der = der.secret_sec1_der();
                let p256 = EcdsaKeyPair::from_private_key_der(p256, der).ok().map(Self::P256);
                p256.or_else(|| EcdsaKeyPair::from_private_key_der(p384, der).ok().map(Self::P384))
            }
            PrivateKeyDer::Pkcs1(der) => Self::rsa(RsaKeyPair::from_der(der.secret_pkcs1_der()).ok()),
            _ => None,
        }
    }

    /// Shorter ones are refused wherever they come (RFC 7518 §3.3).
    fn rsa(pair: Option<RsaKeyPair>) -> Option<Self> {
        pair.filter(|pair| pair.public_modulus_len() >= 2048 / 8).map(|pair| Self::Rsa(Box::new(pair)))
    }

    /// Its members stand in the order in which the thumbprint wants them.
    fn public(&self) -> Value {
        let point = |pair: &EcdsaKeyPair, crv: &str| {
            // Uncompressed: 0x04, x, y (SEC 1 §2.3.3).
            let both = pair.public_key().as_ref().get(1..).unwrap_or_default();
            let (x, y) = both.split_at(both.len() / 2);
            json!({"crv": crv, "kty": "EC", "x": b64(x), "y": b64(y)})
        };
        match self {
            Self::Rsa(pair) => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"e": b64(&parts.e), "kty": "RSA", "n": b64(&parts.n)})
            }
            Self::P256(pair) => point(pair, "P-256"),
            Self::P384(pair) => point(pair, "P-384"),
            Self::Ed25519(pair) => {
                json!({"crv": "Ed25519", "kty": "OKP", "x": b64(pair.public_key().as_ref())})
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JwsError> {
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map(|()| signature)
            }
            Self::P256(pair) | Self::P384(pair) => {
                pair.sign(&random, message).map(|signature| signature.as_ref().to_vec())
            }
            Self::Ed25519(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
        };
        signature.map_err(|_| JwsError::Failed)
    }
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests;
