//! Real peers for tests and for `bearward demo`: an authorization server with faults, a sample MCP server,
//! a sample API, a stand-in for Vault.
//!
//! Everything binds loopback, keeps its state in memory, and ends when its handle is dropped.

pub mod authorization_server;
pub mod client;
pub mod keys;
mod lent;
pub mod mcp;
pub mod mint;
pub mod notes;
pub mod raw;
pub mod served;
#[cfg(all(feature = "session-bus", target_os = "linux"))]
pub mod session_bus;
#[cfg(feature = "bad-tls")]
pub mod tls;
pub mod vault;

pub use authorization_server::AuthorizationServer;
pub use keys::{Algorithm, SigningKey};
pub use mint::TokenBuilder;

/// 128 random bits in base64url: ids, codes, opaque tokens.
pub(crate) fn random_id() -> String {
    let mut bytes = [0; 16];
    // Without randomness the id is all zeroes, which a test notices at once by collisions.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    keys::b64(&bytes)
}
