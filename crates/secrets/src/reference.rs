//! Where a secret is.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use crate::local::others_may_read;

/// The stage that Secrets Manager gives to the version in use.
const CURRENT: &str = "AWSCURRENT";

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; one line break at its end does not count.
    File(PathBuf),
    /// A field of a secret in HashiCorp Vault.
    Vault(VaultRef),
    /// A secret in AWS Secrets Manager.
    Aws(AwsRef),
}

/// A field of a secret in a KV version 2 engine of Vault.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VaultRef {
    mount: Box<str>,
    path: Box<str>,
    field: Box<str>,
}

/// A secret in AWS Secrets Manager.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AwsRef {
    /// Its name or ARN.
    pub id: Box<str>,
    /// A member of the JSON object that it holds; absent: all of it.
    pub field: Option<Box<str>>,
    /// The stage of the version; absent: `AWSCURRENT`.
    pub stage: Option<Box<str>>,
}

/// A path in Vault that leads somewhere else, or nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no path in Vault: names with `/` between them, none of them empty, `.` or `..`")]
pub struct InvalidPath(pub String);

impl SecretRef {
    /// True for a file that every user of this machine may read: worth a warning, though a container's
    /// mount may well be meant so. Always false where files have no such rights, and for what is no file.
    pub fn is_readable_by_all(&self) -> bool {
        match self {
            Self::File(path) => fs::metadata(path).is_ok_and(|metadata| others_may_read(&metadata)),
            _ => false,
        }
    }

    /// True when reading it asks a store on the network.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Vault(_) | Self::Aws(_))
    }
}

impl VaultRef {
    /// A field of the secret at `path` below the engine at `mount`. Both may have several levels.
    ///
    /// # Errors
    /// When a level is empty, `.` or `..`: a request for it would go elsewhere.
    pub fn new(mount: &str, path: &str, field: &str) -> Result<Self, InvalidPath> {
        for part in [mount, path] {
            if part.split('/').any(|level| matches!(level.trim(), "" | "." | "..")) {
                return Err(InvalidPath(part.to_owned()));
            }
        }
        Ok(Self { mount: mount.into(), path: path.into(), field: field.into() })
    }

    /// Where the engine is mounted.
    pub fn mount(&self) -> &str {
        &self.mount
    }

    /// The secret's path below the mount.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The field's name.
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl AwsRef {
    /// The stage, given or not.
    pub fn stage(&self) -> &str {
        self.stage.as_deref().unwrap_or(CURRENT)
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::File(path) => write!(f, "file `{}`", path.display()),
            Self::Vault(VaultRef { mount, path, field }) => {
                write!(f, "field `{field}` of `{mount}/{path}` in Vault")
            }
            Self::Aws(secret) => {
                if let Some(field) = &secret.field {
                    write!(f, "field `{field}` of ")?;
                }
                write!(f, "`{}` ({}) in AWS Secrets Manager", secret.id, secret.stage())
            }
        }
    }
}
