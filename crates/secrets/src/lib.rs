//! Secrets by reference: the configuration says where a secret is, never what it is.
//!
//! This version reads environment variables and files. A reference is read when it is needed, so a file
//! that changes is used at once.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bearward_token::ClientSecret;

/// Longest secret, in bytes; what is longer is some other file.
const MAX_BYTES: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl Secrets {
    /// Reads from this environment.
    pub fn new(environment: HashMap<String, String>) -> Self {
        Self { environment: Arc::new(environment) }
    }

    /// The secret behind a reference, as it is now.
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

fn read_file(reference: &SecretRef, path: &Path) -> Result<String, SecretError> {
    let unreadable =
        |error: std::io::Error| SecretError::Unreadable { path: path.into(), reason: error.to_string() };
    if fs::metadata(path).map_err(unreadable)?.len() > MAX_BYTES {
        return Err(SecretError::NotText(reference.clone()));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| SecretError::NotText(reference.clone()))?;
    Ok(text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t)).to_owned())
}

#[cfg(test)]
mod tests;
