//! Everything at work in one process on loopback: an authorization server, an MCP server, the API behind
//! it, and Bearward on both sides of the MCP server.
//!
//! ```text
//! MCP client ─► guard ─► sample MCP server ─► egress ─► notes API
//!      caller's token ─┘                        └─ Bearward's own token, signed tenant
//! ```
//! Bearward itself runs on the very configuration text that is printed: nothing here is special.

pub mod account;
pub mod tour;
pub mod web;
pub mod world;

pub use world::World;
