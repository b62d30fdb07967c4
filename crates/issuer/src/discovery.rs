//! Finds an authorization server's metadata by its issuer (RFC 8414 §3, SPEC CL-1).

use std::sync::Arc;
use std::time::Duration;

use bearward_token::{Clock, Endpoint, Issuer, PlaceError};
use http::StatusCode;

use crate::fetch::{Fetch, FetchError};
use crate::metadata::{Metadata, MetadataError};

/// Discovers metadata. Each call asks the network; who calls keeps what it needs.
#[derive(Debug, Clone)]
pub struct Discovery {
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
}

/// Why there is no metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// The server could not be reached, or broke off.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A well-known address answered, and not with a document.
    #[error("{url} answered with status {status}")]
    Status {
        /// The last address that was tried.
        url: String,
        /// Its answer.
        status: StatusCode,
        /// What it asked us to wait.
        retry_after: Option<Duration>,
    },
    /// A document came that cannot be used.
    #[error("the metadata at {url} cannot be used: {source}")]
    Metadata {
        /// Where it was.
        url: String,
        /// Why.
        source: MetadataError,
    },
    /// The issuer's own text makes no address.
    #[error(transparent)]
    Issuer(#[from] PlaceError),
}

impl DiscoveryError {
    /// True when trying again later may help by itself. A document that is no JSON may be half an answer or a
    /// proxy's page; one that is, and cannot be used, stays as it is until somebody changes it.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Fetch(_) | Self::Status { .. } => true,
            Self::Metadata { source, .. } => *source == MetadataError::NotMetadata,
            Self::Issuer(_) => false,
        }
    }
}

impl Discovery {
    /// Discovery over this network. The clock reads dates in `Retry-After`.
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
        Self { fetch, clock }
    }

    /// Asks the issuer's well-known addresses in SPEC CL-1's order; the first that has a document decides.
    ///
    /// # Errors
    /// As [`DiscoveryError`] says. Only "there is nothing here" (a 4xx status, a redirect, which is not followed,
    /// or a page that is no metadata) moves on to the next address; a failure does not, since the right address
    /// may be the one that failed.
    pub async fn metadata(&self, issuer: &Issuer) -> Result<Metadata, DiscoveryError> {
        let mut nothing = None;
        for url in addresses(issuer)? {
            let answer = self.fetch.get(&url, None).await?;
            let url = url.to_string();
            if answer.status == StatusCode::OK {
                match Metadata::parse(issuer, &answer.body) {
                    // Some servers answer every address with a page.
                    Err(source @ MetadataError::NotMetadata) => {
                        nothing = Some(DiscoveryError::Metadata { url, source });
                        continue;
                    }
                    Err(source) => return Err(DiscoveryError::Metadata { url, source }),
                    Ok(metadata) => return Ok(metadata),
                }
            }
            let (status, retry_after) = (answer.status, answer.retry_after(self.clock.unix_ms()));
            let failed = DiscoveryError::Status { url, status, retry_after };
            let is_nothing = status.is_client_error() || status.is_redirection();
            if !is_nothing || status == StatusCode::TOO_MANY_REQUESTS {
                return Err(failed);
            }
            nothing = nothing.or(Some(failed));
        }
        Err(nothing.unwrap_or(DiscoveryError::Issuer(PlaceError::NotAUrl { text: issuer.to_string() })))
    }
}

/// The addresses for an issuer, in order. The issuer's text is used as it is but for one trailing slash,
/// which RFC 8414 §3.1 removes before the well-known part is inserted.
pub fn addresses(issuer: &Issuer) -> Result<Vec<Endpoint>, PlaceError> {
    let text = issuer.as_str().strip_suffix('/').unwrap_or(issuer.as_str());
    let after_scheme = text.find("://").map_or(0, |at| at + 3);
    let path_at =
        text.get(after_scheme..).and_then(|rest| rest.find('/')).map_or(text.len(), |at| after_scheme + at);
    let (origin, path) = text.split_at(path_at);
    let mut urls = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        urls.push(format!("{text}/.well-known/openid-configuration"));
    }
    urls.iter().map(|url| url.parse()).collect()
}

#[cfg(test)]
mod tests;
