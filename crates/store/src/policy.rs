//! What is kept where: a policy for each kind of token, and the stores that serve it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{Keychain, Memory, Purpose, SealedFiles, Store, StoreError};

/// A kind of store, as the configuration names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kept {
    /// In memory, gone with the process.
    Memory,
    /// On disk, sealed.
    Encrypted,
    /// In the system's keychain.
    Keychain,
}

/// The kind of store for each kind of token. Built-in: refresh tokens are encrypted, the others stay in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    /// For access tokens.
    pub access: Kept,
    /// For ID tokens.
    pub id: Kept,
    /// For refresh tokens, and for what is worth as much and must outlive the process: sessions, queued revocations.
    pub refresh: Kept,
}

/// The stores there are.
#[derive(Debug, Clone)]
pub struct Stores {
    memory: Arc<Memory>,
    encrypted: Option<SealedFiles>,
    keychain: Option<Arc<Keychain>>,
}

impl Stores {
    /// Memory alone.
    pub fn new(memory: Memory) -> Self {
        Self { memory: Arc::new(memory), encrypted: None, keychain: None }
    }

    /// And sealed files.
    #[must_use]
    pub fn with_encrypted(mut self, files: SealedFiles) -> Self {
        self.encrypted = Some(files);
        self
    }

    /// And the keychain.
    #[must_use]
    pub fn with_keychain(mut self, keychain: Keychain) -> Self {
        self.keychain = Some(Arc::new(keychain));
        self
    }

    /// The one that is always there.
    pub fn memory(&self) -> Arc<dyn Store> {
        self.memory.clone()
    }

    /// The store for a purpose under a policy. Ask once at the start for every purpose that is needed: what is missing
    /// from the configuration is known then, and not at the first refresh.
    ///
    /// # Errors
    /// [`StoreError::NotConfigured`] says what to configure.
    pub fn route(&self, storage: &Storage, purpose: Purpose) -> Result<Arc<dyn Store>, StoreError> {
        let kept = storage.of(purpose);
        let missing = StoreError::NotConfigured { kept };
        match kept {
            Kept::Memory => Ok(self.memory.clone()),
            Kept::Encrypted => self.encrypted.clone().map(|files| Arc::new(files) as _).ok_or(missing),
            Kept::Keychain => self.keychain.clone().map(|keychain| keychain as _).ok_or(missing),
        }
    }
}

impl Storage {
    /// The kind of store for a purpose.
    pub fn of(&self, purpose: Purpose) -> Kept {
        match purpose {
            Purpose::AccessToken => self.access,
            Purpose::IdToken => self.id,
            Purpose::RefreshToken | Purpose::Session | Purpose::Revocation => self.refresh,
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { access: Kept::Memory, id: Kept::Memory, refresh: Kept::Encrypted }
    }
}

impl Kept {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Encrypted, Self::Keychain];

    /// As the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Encrypted => "encrypted",
            Self::Keychain => "keychain",
        }
    }

    /// What is missing when there is no such store, and what to do.
    pub(crate) fn missing(self) -> &'static str {
        match self {
            Self::Memory => "there is no memory store",
            Self::Encrypted => {
                "neither a folder nor a key is configured for it: set `state.path`, and `state.key` to a key from \
                 `bearward keygen`, or use storage `memory`"
            }
            Self::Keychain => "no keychain is in use: use storage `encrypted` or `memory`",
        }
    }
}

impl FromStr for Kept {
    type Err = UnknownKept;

    fn from_str(text: &str) -> Result<Self, UnknownKept> {
        Self::ALL.into_iter().find(|kept| kept.as_str() == text).ok_or_else(|| UnknownKept(text.into()))
    }
}

/// No kind of store has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of storage: write `memory`, `encrypted` or `keychain`")]
pub struct UnknownKept(String);

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
