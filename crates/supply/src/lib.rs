//! The token manager: gets, keeps, refreshes and hands out tokens for providers.
//!
//! ```text
//! caller ─► Handle ─┬─ fresh: from memory, no lock
//!                   ├─ soft window: from memory, the keeper refreshes meanwhile
//!                   └─ expired: waits for the keeper's one flight, each caller with its own deadline
//! keeper (one task a key) ─► gate (issuer + client: Retry-After, breaker) ─► grant ─► authorization server
//! ```
//!
//! A caller never makes a request itself; it can go away at any moment without harm to the others.

pub mod client_credentials;
pub mod error;
pub mod gate;
pub mod grant;
pub mod handle;
mod keeper;
pub mod key;
pub mod lifetime;
pub mod manager;
pub mod tenant_headers;
pub mod token_response;

pub use client_credentials::ClientCredentials;
pub use error::{Failure, SupplyError};
pub use grant::{Grant, Granted};
pub use handle::{Handle, Supplied, Wanted};
pub use key::{KeyParts, TokenKey};
pub use manager::TokenManager;
pub use tenant_headers::TenantSigner;
