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
pub mod dependents;
mod entry;
pub mod error;
pub mod gate;
pub mod grant;
pub mod handle;
pub mod held;
mod keeper;
pub mod key;
pub mod lifetime;
pub mod manager;
pub mod quota;
pub mod refresh_token;
pub mod revoke;
mod shelf;
pub mod source;
pub mod static_token;
mod sync;
pub mod target;
pub mod tenant_headers;
pub mod token_exchange;
pub mod token_request;
pub mod token_response;

pub use client_credentials::ClientCredentials;
pub use entry::Upkeep;
pub use error::{Failure, SupplyError};
pub use grant::{Grant, Granted, Revoked};
pub use handle::{Changes, Handle, Label, Wanted};
pub use held::Supplied;
pub use key::{KeyParts, TokenKey};
pub use manager::TokenManager;
pub use refresh_token::RefreshTokenGrant;
pub use revoke::{Revocable, Revoker};
pub use source::{Acting, Caller, Found, Logins, Looking, Picked, Source};
pub use static_token::StaticToken;
pub use target::Target;
pub use tenant_headers::TenantSigner;
pub use token_exchange::{Exchange, TokenExchange};
pub use token_request::TokenRequest;

#[cfg(test)]
#[cfg(feature = "shuttle")]
mod model;
#[cfg(test)]
mod tests;
