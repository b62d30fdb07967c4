//! Strings that must never be seen: they cannot be printed, compare in constant time, and are wiped on drop.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Cloning shares the one copy in memory, which is wiped when the last owner drops it (HARD 20).
        /// `Debug` shows the kind alone; there is no `Display` and no `Serialize`.
        #[derive(Clone)]
        pub struct $name(Arc<SecretString>);

        impl $name {
            /// Takes ownership of the text.
            pub fn new(text: impl Into<String>) -> Self {
                Self(Arc::new(SecretString::from(text.into())))
            }

            /// The text itself. Call it where bytes leave for their one destination, nowhere else.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }

            /// SHA-256 of the text: safe to compare, to key a map with, and to log.
            pub fn fingerprint(&self) -> Fingerprint {
                Fingerprint::of(self.expose())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
            }
        }

        impl Eq for $name {}
    };
}

secret! {
    /// A bearer token for one audience (RFC 6750).
    AccessToken
}
secret! {
    /// An ID token (OpenID Connect Core §2): says who has logged in, and opens nothing.
    IdToken
}
secret! {
    /// A refresh token (RFC 6749 §1.5).
    RefreshToken
}
secret! {
    /// What a client proves itself with, or a key shared with a provider.
    ClientSecret
}
secret! {
    /// Key material that records are sealed with, in its textual form.
    SealingKey
}

/// SHA-256 of a secret. Says whether two secrets are the same without saying what they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a text.
    pub fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Self(bytes)
    }

    /// What [`Fingerprint::as_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As [`Fingerprint::to_hex`] writes it; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// All of it, 64 digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    /// The first eight hex digits: enough to follow one token through a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}…", hex::encode(self.0.first_chunk::<4>().unwrap_or(&[0; 4])))
    }
}

#[cfg(test)]
mod tests;
