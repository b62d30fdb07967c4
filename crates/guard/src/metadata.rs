//! The protected resource metadata document (RFC 9728 §2, §3; SPEC RS-1, RS-2, RS-7).

use std::collections::BTreeMap;

use bearward_token::{Issuer, Resource, ScopeSet};
use serde::Serialize;

/// The well-known prefix (RFC 9728 §3).
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What an operator says of a resource, for people and for programs (RFC 9728 §2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// What people call it.
    pub name: Texts,
    /// URL of pages for developers.
    pub documentation: Texts,
    /// URL of what a client may do with the data.
    pub policy: Texts,
    /// URL of the terms of service.
    pub terms: Texts,
    /// Types of authorization details that it understands (RFC 9396).
    pub authorization_details: Vec<String>,
    /// URL of the keys with which it signs; absent: it signs nothing.
    pub jwks_uri: Option<String>,
}

/// A text by language (BCP 47); the empty tag stands for no language in particular.
pub type Texts = BTreeMap<String, String>;

/// The document. Member names are the RFC's.
///
/// Nothing is said of client certificates and DPoP: tokens are not bound to either here, which is what their absence
/// means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProtectedResource {
    /// The canonical URI, byte for byte as configured.
    pub resource: String,
    /// Issuers whose tokens open the resource; empty for a pre-provisioned guard.
    pub authorization_servers: Vec<String>,
    /// Where the keys are with which the resource signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// What may be asked for; left out when nothing was configured.
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    pub scopes_supported: ScopeSet,
    /// Always `["header"]` (SPEC RS-4).
    pub bearer_methods_supported: [&'static str; 1],
    /// Types of authorization details; left out when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_details_types_supported: Vec<String>,
    /// `resource_name`, `resource_documentation` and their like, some with a language behind `#` (RFC 9728 §2.1).
    #[serde(flatten)]
    pub texts: BTreeMap<String, String>,
}

impl ProtectedResource {
    /// The document of one guard.
    pub fn new<'a>(
        resource: &Resource,
        issuers: impl IntoIterator<Item = &'a Issuer>,
        supported: &ScopeSet,
        description: &Description,
    ) -> Self {
        let described = [
            ("resource_name", &description.name),
            ("resource_documentation", &description.documentation),
            ("resource_policy_uri", &description.policy),
            ("resource_tos_uri", &description.terms),
        ];
        let text = |name: &str, language: &str| match language {
            "" => name.to_owned(),
            language => format!("{name}#{language}"),
        };
        let texts = described.into_iter().flat_map(|(name, texts)| {
            texts.iter().map(move |(language, value)| (text(name, language), value.clone()))
        });
        Self {
            resource: resource.as_str().into(),
            authorization_servers: issuers.into_iter().map(|issuer| issuer.as_str().into()).collect(),
            jwks_uri: description.jwks_uri.clone(),
            scopes_supported: supported.without("offline_access"),
            bearer_methods_supported: ["header"],
            authorization_details_types_supported: description.authorization_details.clone(),
            texts: texts.collect(),
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
