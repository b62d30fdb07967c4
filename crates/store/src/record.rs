//! What a store keeps: a secret, when it dies, and its version.

use std::fmt;
use std::sync::Arc;

use bearward_token::{AccessToken, RefreshToken};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The secret.
    pub secret: SecretBytes,
    /// From then on it is not handed out: seconds since the Unix epoch.
    pub expires_at: Option<u64>,
    /// To be named as [`Expected::Version`] by the write that replaces it.
    pub version: u64,
}

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing, and no logout either.
    Absent,
    /// The record of this version.
    Version(u64),
    /// Any record or none, but no logout.
    Any,
    /// Whatever it may be, a logout and a damaged record too. For the first write after somebody logged in.
    NewLogin,
}

/// Bytes that are wiped when the last owner drops them, and that no `Debug` shows (HARD 20).
///
/// Cloning shares the one copy in memory; comparing takes the same time wherever they differ.
#[derive(Clone)]
pub struct SecretBytes(Arc<Zeroizing<Vec<u8>>>);

impl SecretBytes {
    /// Takes ownership of the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, when they are one.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<&RefreshToken> for SecretBytes {
    fn from(token: &RefreshToken) -> Self {
        Self::new(token.expose().into())
    }
}

impl From<&AccessToken> for SecretBytes {
    fn from(token: &AccessToken) -> Self {
        Self::new(token.expose().into())
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for SecretBytes {}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(redacted)")
    }
}
