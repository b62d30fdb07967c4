//! What a token is for: where it is used, and what may be done with it there.

use bearward_token::ScopeSet;

/// What a token is asked for. One login may serve several (RFC 8707 §2.2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// `audience`, as Auth0 needs it.
    pub audience: Option<String>,
    /// `resource` (RFC 8707), sent as given (SPEC CL-3).
    pub resource: Option<String>,
    /// `scope`; empty: what the server gives by itself.
    pub scopes: ScopeSet,
    /// Further parameters that some server wants.
    pub extra: Vec<(String, String)>,
}
