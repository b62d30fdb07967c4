//! The reverse proxy: guard, identity, provider, upstream; and the sidecar for outbound calls.
//!
//! ```text
//! MCP client ─► routes ─► inbound ─┐
//!                                  ├─► forward ─► upstream, with the provider's token
//! MCP server ─► egress ────────────┘
//! ```
//! The one law of the house is kept in [`headers`]: a token that came in never goes out.

pub mod activity;
pub mod address;
mod alarm;
pub mod answer;
mod bare_stream;
mod bell;
pub mod body;
pub mod browser;
pub mod cors;
pub mod documents;
pub mod egress;
pub mod forward;
mod framing;
pub mod headers;
mod hearing;
pub mod identity;
pub mod inbound;
mod judge;
mod lane;
mod lanes;
pub mod lifetime;
pub mod listener;
pub mod listing;
pub mod location;
mod noted;
mod outbox;
pub mod pages;
pub mod provider;
pub mod receiver;
mod record;
mod relay;
pub mod revision;
pub mod routes;
pub mod sessions;
pub mod shape;
pub mod signing;
pub mod target;
pub mod upstream;
mod wire;
#[cfg(test)]
mod woken;

pub use documents::Documents;
pub use egress::Egress;
pub use forward::Forwarder;
pub use inbound::Inbound;
pub use pages::Pages;
pub use provider::Provider;
pub use routes::Routes;
