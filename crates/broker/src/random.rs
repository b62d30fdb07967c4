//! Secrets that nobody can guess: 256 random bits in base64url.

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_token::Fingerprint;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of randomness.
const BYTES: usize = 32;
/// Characters of its text.
pub(crate) const LENGTH: usize = 43;

/// One secret. `Debug` shows a fingerprint; memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// This machine has no randomness to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's source of randomness failed")]
pub struct NoRandomness;

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no randomness; nothing weaker is used in its place.
    pub fn new() -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| NoRandomness)?;
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    /// One that came back; `None` for what none of ours can be.
    pub fn parse(text: &str) -> Option<Self> {
        let is_ours =
            text.len() == LENGTH && URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == BYTES);
        is_ours.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Its text, for the one place that it is meant for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What it is known by where it must not stand itself.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.0)
    }

    /// PKCE's challenge of a verifier (RFC 7636 §4.2, S256).
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({:?})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn no_two_are_alike_and_each_is_read_back() {
        let (one, other) = (Secret::new().unwrap(), Secret::new().unwrap());
        assert_ne!(one, other);
        assert_eq!(Secret::parse(one.expose()), Some(one.clone()));
        assert!(!format!("{one:?}").contains(one.expose()));
    }

    #[test]
    fn what_none_of_ours_can_be_is_none() {
        let good = Secret::new().unwrap().expose().to_owned();
        for text in [
            "",
            "short",
            &good[1..],
            &format!("{good}A"),
            &"!".repeat(LENGTH),
            &good.replace(&good[..1], "="),
        ] {
            assert_eq!(Secret::parse(text), None, "{text}");
        }
    }

    // RFC 7636, appendix B
    #[test]
    fn a_challenge_is_the_verifiers_hash() {
        let verifier = Secret(Zeroizing::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into()));
        assert_eq!(verifier.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
