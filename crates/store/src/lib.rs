//! Where tokens and sessions live: memory, sealed files, the system's keychain.
//!
//! ```text
//! Purpose ─ Storage (memory | encrypted | keychain) ─► Stores ─► a Store
//!                                                                 ├─ Memory       bounded, gone with the process
//!                                                                 ├─ SealedFiles  AES-256-GCM, one file a record
//!                                                                 └─ Keychain     one item a record
//! ```
//! All stores keep the same promises: a write says which version it expects and fails when another stands there, and
//! what a logout removed stays removed until somebody logs in again (HARD 14).
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use std::sync::Arc;
//!
//! use bearward_store::{Expected, Memory, Place, Purpose, Store};
//! use bearward_token::{RefreshToken, SystemClock};
//!
//! let store = Memory::new(1000, Arc::new(SystemClock::new()));
//! let place = Place {
//!     tenant: None,
//!     issuer: "https://idp.example.com".parse()?,
//!     subject: Some("alice".into()),
//!     client: "desktop".into(),
//!     purpose: Purpose::RefreshToken,
//!     key: [0; 32],
//! };
//! let (first, second) = (RefreshToken::new("first"), RefreshToken::new("second"));
//! let version = store.put(&place, (&first).into(), None, Expected::NewLogin).await?;
//! store.put(&place, (&second).into(), None, Expected::Version(version)).await?;
//!
//! // Somebody who still thinks that the first one stands there does not overwrite the second.
//! let late = store.put(&place, (&first).into(), None, Expected::Version(version)).await;
//! assert!(late.is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

pub mod error;
pub mod files;
pub mod keychain;
pub mod memory;
pub mod place;
pub mod policy;
#[cfg(test)]
mod promises;
pub mod record;
mod row;
mod rules;
pub mod seal;
pub mod store;

pub use error::{Damage, StoreError};
pub use files::{FolderLock, SealedFiles, Swept};
pub use keychain::Keychain;
pub use memory::Memory;
pub use place::{Place, PlaceId, Purpose};
pub use policy::{Kept, Storage, Stores};
pub use record::{Expected, Record, SecretBytes};
pub use seal::{SealingKeyError, SealingKeys};
pub use store::{Listing, Store, Storing};
