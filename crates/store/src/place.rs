//! What a record is for: everything that keeps two people's tokens apart.

mod encoding;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use bearward_token::Issuer;

/// Where in a store a record stands. Two records share a place only when all of it is equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The organization it belongs to, if any.
    pub tenant: Option<String>,
    /// The authorization server it came from.
    pub issuer: Issuer,
    /// The user, if it is a user's.
    pub subject: Option<String>,
    /// `client_id`.
    pub client: String,
    /// What kind of secret it is.
    pub purpose: Purpose,
    /// Digest of whatever else makes it what it is: of the token's key, of the session's id.
    pub key: [u8; 32],
}

/// What kind of secret stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// An access token.
    AccessToken,
    /// An ID token.
    IdToken,
    /// A refresh token.
    RefreshToken,
    /// A login session.
    Session,
    /// A token that is still to be revoked at its authorization server.
    Revocation,
}

/// SHA-256 of a place's encoding: names its record, and is sealed into it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaceId([u8; 32]);

impl Place {
    /// The same for equal places, another one for different places.
    pub fn id(&self) -> PlaceId {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, &self.encode()).as_ref());
        PlaceId(bytes)
    }
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::AccessToken, Self::IdToken, Self::RefreshToken, Self::Session, Self::Revocation];

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access token",
            Self::IdToken => "ID token",
            Self::RefreshToken => "refresh token",
            Self::Session => "session",
            Self::Revocation => "queued revocation",
        }
    }
}

impl PlaceId {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As it is displayed: 64 lower-case hexadecimal digits. `None` for anything else.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        let id = Self(bytes);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for Place {
    /// For messages: without the user, who has no business in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of client `{}` at {}", self.purpose.as_str(), self.client, self.issuer)
    }
}

impl fmt::Display for PlaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PlaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
