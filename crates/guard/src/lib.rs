//! Verification of the tokens that arrive at an MCP server.
//!
//! ```text
//! request head ─ bearer ─ cache ─┬─────────────── scopes ─ Verified
//!                                └─ jwt ─ keys ─ claims ─┘
//!                  any step says no ─► Refusal ─► challenge (401 / 400 / 403 / 503)
//! ```
//!
//! The guard decides and explains; it forwards nothing (that is the gateway's work) and gets no tokens
//! (that is supply's).

pub mod agreement;
pub mod bearer;
pub mod builder;
mod cache;
pub mod claim_path;
pub mod claims;
pub mod demand;
pub mod explain;
pub mod fields;
pub mod guard;
pub mod id_token;
pub mod introspection;
mod jwt;
pub mod key_source;
pub mod keys;
pub mod layer;
pub mod limits;
pub mod loaders;
pub mod message;
pub mod metadata;
pub mod mode;
pub mod opaque;
pub mod policy;
pub mod presets;
pub mod refusal;
pub mod revision;
pub mod revocation;
pub mod scopes;
pub mod security_event;
mod spellings;
pub mod verify;

pub use builder::GuardBuilder;
pub use claim_path::ClaimPath;
pub use claims::Expectations;
pub use demand::{Demand, Pattern};
pub use guard::{Guard, GuardSettings};
pub use id_token::{IdTokens, SignedIn};
pub use key_source::{KeyLoader, KeySource};
pub use layer::RequireBearer;
pub use limits::{LimitSettings, Limits, Rate};
pub use mode::Mode;
pub use opaque::OpaqueTokens;
pub use policy::{Policy, Rule};
pub use presets::Preset;
pub use refusal::{Refusal, Refused};
pub use revocation::Revocations;
pub use scopes::ScopePolicy;
pub use verify::{TrustedIssuer, Verified};
