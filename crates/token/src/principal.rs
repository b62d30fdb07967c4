//! Who a verified inbound token speaks for.

use std::sync::Arc;

use serde_json::Value;

use crate::{Claims, Issuer, ScopeSet};

/// What the rest of Bearward knows of a caller. Made by a guard from verified claims, by nobody else's word.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The authorization server that vouches for it.
    pub issuer: Issuer,
    /// `sub`: the user or machine, unique within the issuer.
    pub subject: Arc<str>,
    /// `client_id` or `azp`: the program that acts for it.
    pub client: Option<Arc<str>>,
    /// The organization, from the claim that the configuration names.
    pub tenant: Option<Arc<str>>,
    /// What the token allows.
    pub scopes: ScopeSet,
    /// What the caller is, in the issuer's own words.
    pub roles: Vec<Arc<str>>,
    /// `sid`: the login session.
    pub session_id: Option<Arc<str>>,
    /// `jti`: the token's own id.
    pub token_id: Option<Arc<str>>,
    /// `exp`, seconds since the Unix epoch, rounded down.
    pub expires_at: u64,
    /// `iat`, seconds since the Unix epoch, rounded down.
    pub issued_at: Option<u64>,
    /// All verified claims.
    pub claims: Arc<Claims>,
}

impl Principal {
    /// A claim's text, if it is a string. The name is one member; no paths.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }
}
