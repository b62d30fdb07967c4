//! An issuer's public keys, parsed once (RFC 7517), and which of them may verify a token.
//!
//! The algorithm is decided here, by the key and the configuration, never by the token (SPEC JW-1). Keys are parsed
//! when they are loaded: parsing one again for every token would cost a third of its verification.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

pub use jsonwebtoken::Algorithm;

/// Most keys tried for one token (SPEC JW-2): bounds the work that a token can ask for.
pub const MAX_CANDIDATES: usize = 8;

/// Most keys kept from one key set. Real issuers publish two or three.
const MAX_KEYS: usize = 100;

/// The keys of one issuer that can verify signatures.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Arc<VerifyingKey>>,
}

/// One public key, parsed once for each algorithm that it may be used with.
#[derive(Debug)]
pub struct VerifyingKey {
    jwk: Jwk,
    parsed: Vec<(Algorithm, ParsedPublicKey)>,
}

/// A document that is no key set.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// Not JSON, or without a `keys` array.
    #[error("the document is not a JSON Web Key Set (RFC 7517): it has no `keys` array")]
    NotAKeySet,
}

impl KeySet {
    /// Reads a JWKS document. Keys of an unknown kind, for encryption, or broken are left out.
    ///
    /// # Errors
    /// When it is no key set at all. One without any key that can verify a signature is accepted: it is how an
    /// issuer withdraws everything (SPEC JW-3).
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_slice(document).map_err(|_| KeySetError::NotAKeySet)?;
        let jwks = document.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(Self { keys: jwks.filter_map(VerifyingKey::new).map(Arc::new).take(MAX_KEYS).collect() })
    }

    /// The keys that may have signed: those with the token's `kid`, or without one all that fit, at most
    /// [`MAX_CANDIDATES`].
    pub fn candidates<'a>(
        &'a self,
        kid: Option<&'a str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'a VerifyingKey> {
        self.keys
            .iter()
            .map(Arc::as_ref)
            .filter(move |key| kid.is_none() || key.jwk.kid.as_deref() == kid)
            .filter(move |key| key.parsed.iter().any(|(own, _)| *own == algorithm))
            .take(MAX_CANDIDATES)
    }

    /// True when a key with this id is known, whatever it may be used for.
    pub fn knows(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.jwk.kid.as_deref() == Some(kid))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// True when both hold the same keys in the same order.
    pub fn is_same(&self, other: &Self) -> bool {
        self.keys.iter().map(|k| &k.jwk).eq(other.keys.iter().map(|k| &k.jwk))
    }
}

impl VerifyingKey {
    fn new(jwk: Jwk) -> Option<Self> {
        if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        if jwk.key_ops.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
            return None;
        }
        let by_kind = jwk.algorithms_by_kind()?;
        let algorithms = match jwk.alg.as_deref() {
            None => by_kind,
            // The key's own word narrows what its kind allows.
            Some(name) => by_kind.chunks(1).find(|one| one.first().is_some_and(|a| is_named(*a, name)))?,
        };
        let parsed: Option<Vec<_>> =
            algorithms.iter().map(|one| Some((*one, jwk.parsed_for(*one)?))).collect();
        Some(Self { parsed: parsed?, jwk })
    }

    /// True when `signature` (base64url) is this key's over `message`.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
        let key = self.parsed.iter().find(|(own, _)| *own == algorithm).map(|(_, key)| key);
        let signature = URL_SAFE_NO_PAD.decode(signature).ok();
        key.zip(signature).is_some_and(|(key, signature)| key.verify_sig(message, &signature).is_ok())
    }
}

/// Reads an algorithm's name as a token or key writes it. HMAC and `none` have no reading here.
pub fn algorithm_named(name: &str) -> Option<Algorithm> {
    let known = RSA.iter().chain(P256).chain(P384).chain(EDWARDS);
    known.copied().find(|algorithm| is_named(*algorithm, name))
}

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
const P256: &[Algorithm] = &[Algorithm::ES256];
const P384: &[Algorithm] = &[Algorithm::ES384];
const EDWARDS: &[Algorithm] = &[Algorithm::EdDSA];

fn is_named(algorithm: Algorithm, name: &str) -> bool {
    match algorithm {
        Algorithm::RS256 => name == "RS256",
        Algorithm::RS384 => name == "RS384",
        Algorithm::RS512 => name == "RS512",
        Algorithm::PS256 => name == "PS256",
        Algorithm::PS384 => name == "PS384",
        Algorithm::PS512 => name == "PS512",
        Algorithm::ES256 => name == "ES256",
        Algorithm::ES384 => name == "ES384",
        // RFC 9864 gives EdDSA on Ed25519 a name of its own.
        Algorithm::EdDSA => name == "EdDSA" || name == "Ed25519",
        _ => false,
    }
}

/// The members of a JWK that matter here. Private members are not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    fn algorithms_by_kind(&self) -> Option<&'static [Algorithm]> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Some(RSA),
            ("EC", Some("P-256")) => Some(P256),
            ("EC", Some("P-384")) => Some(P384),
            ("OKP", Some("Ed25519")) => Some(EDWARDS),
            _ => None,
        }
    }

    /// The key as it verifies one algorithm; `None` when it is broken or of a size that nobody should use.
    fn parsed_for(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        match self.kty.as_str() {
            "RSA" => {
                let (n, e) = (bytes(self.n.as_deref()?)?, bytes(self.e.as_deref()?)?);
                // Below 2048 bits a key is no protection (RFC 7518 §3.3); above 8192 it is a way to burn our time.
                let is_sound = (256..=1024).contains(&n.len());
                let components = RsaPublicKeyComponents { n, e };
                is_sound.then(|| components.to_parsed_public_key(rsa(algorithm)?).ok()).flatten()
            }
            "EC" => {
                let (x, y) = (bytes(self.x.as_deref()?)?, bytes(self.y.as_deref()?)?);
                let (size, curve): (_, &dyn VerificationAlgorithm) = match algorithm {
                    Algorithm::ES256 => (32, &ECDSA_P256_SHA256_FIXED),
                    _ => (48, &ECDSA_P384_SHA384_FIXED),
                };
                // Uncompressed point: 0x04, x, y (SEC 1 §2.3.3).
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                (x.len() == size && y.len() == size)
                    .then(|| ParsedPublicKey::new(curve, point).ok())
                    .flatten()
            }
            "OKP" => {
                let x = bytes(self.x.as_deref()?)?;
                (x.len() == 32).then(|| ParsedPublicKey::new(&ED25519, x).ok()).flatten()
            }
            _ => None,
        }
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests;
