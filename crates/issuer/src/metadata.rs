//! What an authorization server says of itself (RFC 8414 §2, OpenID Connect Discovery §3).

use bearward_token::{Endpoint, Issuer, PlaceError};
use serde::Deserialize;

/// The members that Bearward uses. A missing endpoint is an error only for who needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The issuer, identical to the one asked for.
    pub issuer: Issuer,
    /// Where tokens are asked for.
    pub token_endpoint: Option<Endpoint>,
    /// Where the keys are.
    pub jwks_uri: Option<Endpoint>,
    /// RFC 7662.
    pub introspection_endpoint: Option<Endpoint>,
    /// RFC 7009.
    pub revocation_endpoint: Option<Endpoint>,
}

/// A document that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Not a JSON object with an `issuer`.
    #[error(
        "the document is not authorization server metadata (RFC 8414): it is no JSON object with an `issuer`"
    )]
    NotMetadata,
    /// It speaks for another issuer (RFC 8414 §3.3, SPEC CL-1).
    #[error("the document says issuer `{found}`: configure exactly that, or correct the server")]
    OtherIssuer {
        /// Its issuer.
        found: String,
    },
    /// An endpoint that no secret may be sent to.
    #[error("its `{member}` cannot be used: {source}")]
    Endpoint {
        /// Which.
        member: &'static str,
        /// Why.
        source: PlaceError,
    },
    /// A member that is needed here.
    #[error("the document has no `{member}`: set it in the configuration")]
    Missing {
        /// Which.
        member: &'static str,
    },
}

impl Metadata {
    /// Reads a document that was fetched for `issuer`.
    ///
    /// # Errors
    /// As [`MetadataError`] says.
    pub fn parse(issuer: &Issuer, document: &[u8]) -> Result<Self, MetadataError> {
        let raw: Raw = serde_json::from_slice(document).map_err(|_| MetadataError::NotMetadata)?;
        if raw.issuer != issuer.as_str() {
            return Err(MetadataError::OtherIssuer { found: raw.issuer.chars().take(200).collect() });
        }
        Ok(Self {
            issuer: issuer.clone(),
            token_endpoint: endpoint("token_endpoint", raw.token_endpoint)?,
            jwks_uri: endpoint("jwks_uri", raw.jwks_uri)?,
            introspection_endpoint: endpoint("introspection_endpoint", raw.introspection_endpoint)?,
            revocation_endpoint: endpoint("revocation_endpoint", raw.revocation_endpoint)?,
        })
    }

    /// The token endpoint.
    ///
    /// # Errors
    /// [`MetadataError::Missing`].
    pub fn needs_token_endpoint(&self) -> Result<&Endpoint, MetadataError> {
        self.token_endpoint.as_ref().ok_or(MetadataError::Missing { member: "token_endpoint" })
    }

    /// The key set's address.
    ///
    /// # Errors
    /// [`MetadataError::Missing`].
    pub fn needs_jwks_uri(&self) -> Result<&Endpoint, MetadataError> {
        self.jwks_uri.as_ref().ok_or(MetadataError::Missing { member: "jwks_uri" })
    }
}

#[derive(Deserialize)]
struct Raw {
    issuer: String,
    token_endpoint: Option<String>,
    jwks_uri: Option<String>,
    introspection_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
}

fn endpoint(member: &'static str, text: Option<String>) -> Result<Option<Endpoint>, MetadataError> {
    text.map(|text| text.parse()).transpose().map_err(|source| MetadataError::Endpoint { member, source })
}

#[cfg(test)]
mod tests;
