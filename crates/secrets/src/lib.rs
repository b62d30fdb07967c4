//! Secrets by reference: the configuration says where a secret is, never what it is.
//!
//! ```text
//! SecretRef ─┬─ Env, File ─ read anew for each use: what changes is used at once
//!            └─ Vault, Aws ─ kept: fresh for `refresh`, then one flight for many readers;
//!                            while that fails the last known value serves
//! ```
//! What runs for long also holds a [`Keeping`], which looks at what came from stores while nobody asks, and at the end
//! calls [`Secrets::close`].
//!
//! A file may be a symlink that somebody swaps, as Kubernetes does with its mounts: each use opens the path anew and
//! reads one file to its end.
//!
//! ```
//! use bearward_secrets::{SecretRef, Secrets};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let secrets = Secrets::new([("CLIENT_SECRET".to_owned(), "wonderland".to_owned())].into());
//! let secret = secrets.read(&SecretRef::Env("CLIENT_SECRET".into())).await.unwrap();
//! assert_eq!(secret.expose(), "wonderland");
//! # }
//! ```

mod aws;
mod error;
mod keeping;
mod kept;
mod local;
mod member;
mod reference;
mod secrets;
mod sources;
mod vault;

pub use aws::AwsSettings;
pub use error::{SecretError, Store};
pub use keeping::Keeping;
pub use reference::{AwsRef, InvalidPath, SecretRef, VaultRef};
pub use secrets::{Secrets, StoreSettings};
pub use vault::{VaultAuth, VaultSettings};

#[cfg(test)]
mod tests;
