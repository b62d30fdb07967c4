//! What an authorization server says of itself (RFC 8414 §2, OpenID Connect Discovery §3).

use bearward_token::{Endpoint, Issuer, PlaceError};
use serde::Deserialize;
use serde_json::Value;

/// The members that Bearward uses. An endpoint that is missing or cannot be used is an error only for who needs
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The issuer, identical to the one asked for.
    pub issuer: Issuer,
    raw: Raw,
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
        Ok(Self { issuer: issuer.clone(), raw })
    }

    /// Where tokens are asked for.
    ///
    /// # Errors
    /// [`MetadataError::Missing`], [`MetadataError::Endpoint`].
    pub fn token_endpoint(&self) -> Result<Endpoint, MetadataError> {
        endpoint("token_endpoint", self.raw.token_endpoint.as_deref())
    }

    /// Where the keys are.
    ///
    /// # Errors
    /// [`MetadataError::Missing`], [`MetadataError::Endpoint`].
    pub fn jwks_uri(&self) -> Result<Endpoint, MetadataError> {
        endpoint("jwks_uri", self.raw.jwks_uri.as_deref())
    }

    /// Where tokens are described (RFC 7662).
    ///
    /// # Errors
    /// [`MetadataError::Missing`], [`MetadataError::Endpoint`].
    pub fn introspection_endpoint(&self) -> Result<Endpoint, MetadataError> {
        endpoint("introspection_endpoint", self.raw.introspection_endpoint.as_deref())
    }

    /// Where users sign in (RFC 6749 §3.1).
    ///
    /// # Errors
    /// [`MetadataError::Missing`], [`MetadataError::Endpoint`].
    pub fn authorization_endpoint(&self) -> Result<Endpoint, MetadataError> {
        endpoint("authorization_endpoint", self.raw.authorization_endpoint.as_deref())
    }

    /// Where users sign out (OpenID Connect RP-Initiated Logout §2.1).
    ///
    /// # Errors
    /// [`MetadataError::Missing`], [`MetadataError::Endpoint`].
    pub fn end_session_endpoint(&self) -> Result<Endpoint, MetadataError> {
        endpoint("end_session_endpoint", self.raw.end_session_endpoint.as_deref())
    }

    /// Whether it says that it takes PKCE with S256 (RFC 8414 §2, SPEC CL-2).
    pub fn takes_pkce(&self) -> bool {
        let methods = self.raw.code_challenge_methods_supported.as_ref().and_then(Value::as_array);
        methods.is_some_and(|methods| methods.iter().any(|method| method == "S256"))
    }

    /// Whether it says that it names itself in each authorization response (RFC 9207 §3).
    pub fn names_itself(&self) -> bool {
        self.raw.authorization_response_iss_parameter_supported == Some(Value::Bool(true))
    }

    /// Where tokens are revoked (RFC 7009).
    ///
    /// # Errors
    /// [`MetadataError::Missing`], [`MetadataError::Endpoint`].
    pub fn revocation_endpoint(&self) -> Result<Endpoint, MetadataError> {
        endpoint("revocation_endpoint", self.raw.revocation_endpoint.as_deref())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Raw {
    issuer: String,
    token_endpoint: Option<String>,
    jwks_uri: Option<String>,
    introspection_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    authorization_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    // What is odd here is no reason not to use the rest.
    code_challenge_methods_supported: Option<Value>,
    authorization_response_iss_parameter_supported: Option<Value>,
}

fn endpoint(member: &'static str, text: Option<&str>) -> Result<Endpoint, MetadataError> {
    let text = text.ok_or(MetadataError::Missing { member })?;
    text.parse().map_err(|source| MetadataError::Endpoint { member, source })
}

#[cfg(test)]
mod tests;
