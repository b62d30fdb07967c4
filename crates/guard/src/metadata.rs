//! The protected resource metadata document (RFC 9728 §2, §3; SPEC RS-1, RS-2, RS-7).

use bearward_token::{Issuer, Resource, ScopeSet};
use serde::Serialize;

/// The well-known prefix (RFC 9728 §3).
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The document. Member names are the RFC's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProtectedResource {
    /// The canonical URI, byte for byte as configured.
    pub resource: String,
    /// Issuers whose tokens open the resource; empty for a pre-provisioned guard.
    pub authorization_servers: Vec<String>,
    /// What may be asked for; left out when nothing was configured.
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    pub scopes_supported: ScopeSet,
    /// Always `["header"]` (SPEC RS-4).
    pub bearer_methods_supported: [&'static str; 1],
}

impl ProtectedResource {
    /// The document of one guard.
    pub fn new<'a>(
        resource: &Resource,
        issuers: impl IntoIterator<Item = &'a Issuer>,
        supported: &ScopeSet,
    ) -> Self {
        Self {
            resource: resource.as_str().into(),
            authorization_servers: issuers.into_iter().map(|issuer| issuer.as_str().into()).collect(),
            scopes_supported: supported.without("offline_access"),
            bearer_methods_supported: ["header"],
        }
    }
}

/// The path under which a resource's document stands: the well-known prefix before the resource's own
/// path (RFC 9728 §3.1), a lone `/` left out.
pub fn well_known_path(resource: &Resource) -> String {
    let path = if resource.path() == "/" { "" } else { resource.path() };
    format!("{WELL_KNOWN}{path}")
}

/// The full URL of that path, on the resource's own origin.
pub fn well_known_url(resource: &Resource) -> String {
    format!("{}{}", resource.origin(), well_known_path(resource))
}

#[cfg(test)]
mod tests;
