//! Why a secret cannot be read, and what to do about it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::local::MAX_BYTES;
use crate::{InvalidPath, SecretRef};

/// Why a secret cannot be read. Names the reference, never the value, and nothing that a store answered.
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
    /// Nobody has asked its store yet.
    #[error("{0} has not been read yet")]
    NotRead(SecretRef),
    /// Nobody said where Vault is.
    #[error("{0} cannot be read: add `secrets: {{vault: {{address: …, auth: …}}}}` to the configuration")]
    NoVault(SecretRef),
    /// A store of secrets would be opened by a secret in a store of secrets.
    #[error("{0} cannot be what Vault is logged in to with: use a file or an environment variable")]
    NotLocal(SecretRef),
    /// What a store is reached with is not as it must be.
    #[error("{store} cannot be asked: {reason}")]
    Setup {
        /// The store.
        store: Store,
        /// What is wrong.
        reason: String,
    },
    /// It names no place in Vault.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// Vault is sealed, or is a standby that does not answer.
    #[error(
        "Vault is sealed or not ready (503): unseal it, or point `secrets.vault.address` at an active node"
    )]
    Sealed,
    /// Who asks is known and may not.
    #[error("{store} refuses to hand out {reference}: {advice}")]
    Denied {
        /// The store.
        store: Store,
        /// What was asked for.
        reference: SecretRef,
        /// What would allow it.
        advice: String,
    },
    /// There is no such secret, or no such version of it.
    #[error("there is no {reference}: {advice}")]
    NotFound {
        /// What was asked for.
        reference: SecretRef,
        /// Where to look.
        advice: &'static str,
    },
    /// There was one.
    #[error("{reference} has been deleted: {advice}")]
    Deleted {
        /// What was asked for.
        reference: SecretRef,
        /// How to have it back.
        advice: &'static str,
    },
    /// The secret has no such field.
    #[error("there is no {0}: the secret is there, and has other fields")]
    NoField(SecretRef),
    /// The secret has no fields at all.
    #[error("{0} cannot be read: the secret is no JSON object; leave `field` out to use all of it")]
    NoObject(SecretRef),
    /// It is bytes and not text.
    #[error("{0} is binary: store it as text (`--secret-string`)")]
    Binary(SecretRef),
    /// Who asks is not known.
    #[error("the login to {store} was refused ({status}): {advice}")]
    LoginRefused {
        /// The store.
        store: Store,
        /// The HTTP status.
        status: u16,
        /// What to look at.
        advice: String,
    },
    /// Nothing says as whom to ask.
    #[error(
        "there are no credentials for AWS: give this process a role (EKS, ECS, EC2), a profile, or \
         `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`"
    )]
    NoCredentials,
    /// Nothing says which region to ask.
    #[error(
        "there is no region for AWS: write `secrets: {{aws: {{region: eu-central-1}}}}`, or set `AWS_REGION`"
    )]
    NoRegion,
    /// Nobody answers.
    #[error("{store} cannot be reached: {reason}")]
    Unreachable {
        /// The store.
        store: Store,
        /// What the network said.
        reason: String,
    },
    /// Nobody answers in time.
    #[error("{store} did not answer within {} s", .after.as_secs())]
    Timeout {
        /// The store.
        store: Store,
        /// How long it was waited for.
        after: Duration,
    },
    /// The program is about to end, and no login is made any more.
    #[error("{0} is not asked any more: the program is ending")]
    Closed(Store),
    /// It is known, and its store has failed for long: what changed there meanwhile is not known.
    #[error(
        "{reference} was last read at {since}, and what was read then stays in use; since then: {cause}. Mend that, or a \
         change of it goes unnoticed"
    )]
    Stale {
        /// What was asked for.
        reference: SecretRef,
        /// When it was last read.
        since: Timestamp,
        /// Why it is not read now.
        cause: Box<SecretError>,
    },
    /// An answer that means nothing here.
    #[error("{store} answered in a way that is not understood: {reason}")]
    BadAnswer {
        /// The store.
        store: Store,
        /// What is odd about it.
        reason: String,
    },
}

/// A store on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// HashiCorp Vault, or what speaks like it.
    Vault,
    /// AWS Secrets Manager.
    Aws,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vault => "Vault",
            Self::Aws => "AWS Secrets Manager",
        })
    }
}
