//! What makes two tokens the same token: the full tuple, encoded so that no two tuples collide.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use aws_lc_rs::digest;
use bearward_token::{Fingerprint, Issuer, ScopeSet};

/// What a token is known by: everything that it depends on, and a digest of that. Cheap to clone and to look up.
#[derive(Debug, Clone)]
pub struct TokenKey {
    parts: Arc<KeyParts>,
    digest: KeyDigest,
}

/// Everything that a token depends on (HARD 3). Two requests share an entry and a flight only when all of
/// it is equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyParts {
    /// The organization the token is for, if tokens differ by it.
    pub tenant: Option<String>,
    /// Who issues it.
    pub issuer: Issuer,
    /// `client_id`.
    pub client: String,
    /// How the client proves itself.
    pub client_auth: &'static str,
    /// With which version of its credential, when the key was made. A later version serves the same entry.
    pub credential: Option<Fingerprint>,
    /// Where, if that is configured and not discovered.
    pub token_endpoint: Option<String>,
    /// The grant's name.
    pub grant: &'static str,
    /// Hash of the subject token that is exchanged, if one is; or of the login that is gone on with.
    pub subject_token: Option<Fingerprint>,
    /// Key of the token of who acts for the subject, if somebody does.
    pub actor: Option<KeyDigest>,
    /// Sorted by its type, so that order does not matter; case does.
    pub scopes: ScopeSet,
    /// `audience` as Auth0 takes it.
    pub audience: Option<String>,
    /// `resource` (RFC 8707), verbatim.
    pub resource: Option<String>,
    /// Further parameters, in the order in which they are sent.
    pub extra: Vec<(String, String)>,
}

/// SHA-256 of a key's encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyDigest([u8; 32]);

impl TokenKey {
    /// Digest of the injective encoding (HARD 4).
    pub fn digest(&self) -> KeyDigest {
        self.digest
    }

    /// What it is made of.
    pub fn parts(&self) -> &KeyParts {
        &self.parts
    }
}

impl From<KeyParts> for TokenKey {
    fn from(parts: KeyParts) -> Self {
        let digest = parts.digest();
        Self { parts: Arc::new(parts), digest }
    }
}

impl PartialEq for TokenKey {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for TokenKey {}

impl Hash for KeyDigest {
    /// Its first bytes are as good as all of it; equality looks at the whole.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl KeyDigest {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl KeyParts {
    /// What every token depends on; nothing else yet, and a client without a credential.
    pub fn new(issuer: Issuer, client: impl Into<String>, grant: &'static str) -> Self {
        Self {
            tenant: None,
            issuer,
            client: client.into(),
            client_auth: "none",
            credential: None,
            token_endpoint: None,
            grant,
            subject_token: None,
            actor: None,
            scopes: ScopeSet::default(),
            audience: None,
            resource: None,
            extra: Vec::new(),
        }
    }

    fn digest(&self) -> KeyDigest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, &self.encode()).as_ref());
        KeyDigest(bytes)
    }

    /// Every part behind its length, an absent part as a length that no text has, lists behind such a one: what one key
    /// writes, no other can.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let scopes: Vec<&[u8]> = self.scopes.iter().map(|scope| scope.as_str().as_bytes()).collect();
        let extra = self.extra.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        for part in [
            self.tenant.as_deref().map(str::as_bytes),
            Some(self.issuer.as_str().as_bytes()),
            Some(self.client.as_bytes()),
            Some(self.client_auth.as_bytes()),
            self.credential.as_ref().map(|version| version.as_bytes().as_slice()),
            self.token_endpoint.as_deref().map(str::as_bytes),
            Some(self.grant.as_bytes()),
            self.subject_token.as_ref().map(|hash| hash.as_bytes().as_slice()),
            self.audience.as_deref().map(str::as_bytes),
            self.resource.as_deref().map(str::as_bytes),
        ]
        .into_iter()
        .chain([None])
        .chain(scopes.into_iter().map(Some))
        .chain([None])
        .chain(extra.into_iter().map(Some))
        .chain(self.actor.iter().flat_map(|actor| [None, Some(actor.as_bytes().as_slice())]))
        {
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(part.unwrap_or(&[]));
        }
        out
    }
}

#[cfg(test)]
mod tests;
