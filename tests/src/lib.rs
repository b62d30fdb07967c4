//! What the end-to-end tests share: the real clients and servers as processes, a Bearward in front of them.
//!
//! A test asks [`tools::Tools::find`] for what it needs; when that is missing it records a skip and returns.
//! The same tour is then taken twice: directly, and at the URL that [`guarded::guarded`] answers with.
//!
//! ```text
//! caller ──────────────────────────▶ server        directly
//! caller ──▶ bearward serve ───────▶ server        through the guard
//! suite ──▶ forwarder ──▶ bearward serve ──▶ server    for a caller that cannot send a token
//! ```

pub mod application;
pub mod browser;
pub mod caller;
pub mod conformance;
pub mod error;
pub mod forwarder;
pub mod guarded;
pub mod process;
pub mod servers;
pub mod stage;
pub mod tools;

pub use error::{Error, Result};
