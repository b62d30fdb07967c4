//! Secrets by reference: the configuration says where a secret is, never what it is.
//!
//! This version reads environment variables and files. A reference is read when it is needed, so a file
//! that changes is used at once.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bearward_token::ClientSecret;
use zeroize::Zeroizing;

/// Longest secret, in bytes; what is longer is some other file.
const MAX_BYTES: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; one line break at its end does not count.
    File(PathBuf),
}

/// Reads secrets. The environment is taken once, so that nothing else of the program reads it.
#[derive(Clone)]
pub struct Secrets {
    environment: Arc<HashMap<String, String>>,
}

/// Why a secret cannot be read. Names the reference, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No such variable.
    #[error("environment variable `{0}` is not set")]
    NotSet(String),
    /// No such file, or no right to read it.
    #[error("file `{path}` cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is nothing in it.
    #[error("{0} is empty")]
    Empty(SecretRef),
    /// It is no text, or far too long.
    #[error("{0} is not a text of at most {MAX_BYTES} bytes")]
    NotText(SecretRef),
}

impl SecretRef {
    /// True for a file that every user of this machine may read: worth a warning, though a container's
    /// mount may well be meant so. Always false where files have no such rights, and for what is no file.
    pub fn is_readable_by_all(&self) -> bool {
        match self {
            Self::Env(_) => false,
            Self::File(path) => fs::metadata(path).is_ok_and(|metadata| others_may_read(&metadata)),
        }
    }
}

impl Secrets {
    /// Reads from this environment.
    pub fn new(environment: HashMap<String, String>) -> Self {
        Self { environment: Arc::new(environment) }
    }

    /// The secret behind a reference, as it is now. Its fingerprint is its version: a changed secret has
    /// another one.
    ///
    /// # Errors
    /// As [`SecretError`] says.
    pub fn read(&self, reference: &SecretRef) -> Result<ClientSecret, SecretError> {
        let text = match reference {
            SecretRef::Env(name) => {
                self.environment.get(name).cloned().ok_or_else(|| SecretError::NotSet(name.clone()))?
            }
            SecretRef::File(path) => read_file(reference, path)?,
        };
        if text.is_empty() {
            return Err(SecretError::Empty(reference.clone()));
        }
        Ok(ClientSecret::new(text))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::File(path) => write!(f, "file `{}`", path.display()),
        }
    }
}

/// Copies that are made along the way are wiped (HARD 20).
fn read_file(reference: &SecretRef, path: &Path) -> Result<String, SecretError> {
    let unreadable = |reason: String| SecretError::Unreadable { path: path.into(), reason };
    let not_text = || SecretError::NotText(reference.clone());
    let metadata = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !metadata.is_file() {
        // A pipe or a device could hold up whoever reads it, and has nothing left for the second reader.
        return Err(unreadable("it is not a regular file".into()));
    }
    if metadata.len() > MAX_BYTES {
        return Err(not_text());
    }
    // All of the room at once: a buffer that grows leaves copies behind. One byte more shows the end.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_BYTES + 1).unwrap_or(0)));
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(not_text());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| not_text())?;
    Ok(text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t)).to_owned())
}

#[cfg(unix)]
fn others_may_read(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    const READ_BY_OTHERS: u32 = 0o004;
    metadata.permissions().mode() & READ_BY_OTHERS != 0
}

#[cfg(not(unix))]
fn others_may_read(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests;
