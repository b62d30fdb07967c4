//! Revisions of MCP, as far as a guard treats them differently.

use http::HeaderName;

/// Names the revision that a request follows.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The first revision without sessions: requests name their method in headers as well, and POST is the only HTTP
/// method.
pub const STATELESS: &str = "2026-07-28";

/// Whether a revision is [`STATELESS`] or later. Revisions are dates, so they compare as text; what has another name
/// is a draft of a later one.
pub fn is_stateless(revision: &str) -> bool {
    revision >= STATELESS
}
