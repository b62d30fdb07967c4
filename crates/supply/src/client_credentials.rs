//! The client credentials grant: a machine's own token (RFC 6749 §4.4).

use std::sync::Arc;

use bearward_issuer::{Discovery, Fetch, Form};
use bearward_token::{Clock, Endpoint, Fingerprint, Issuer, ScopeSet};

use crate::client_auth::{ClientAuth, SharedCredential};
use crate::error::Failure;
use crate::grant::{Grant, Granted, Requesting};
use crate::key::TokenKey;
use crate::token_response;

/// The grant's name, in configuration and keys.
pub const NAME: &str = "client_credentials";

/// One machine's token at one authorization server.
#[derive(Debug)]
pub struct ClientCredentials {
    /// Who issues it.
    pub issuer: Issuer,
    /// Where; discovered when left out.
    pub token_endpoint: Option<Endpoint>,
    /// `client_id`.
    pub client: String,
    /// How the client proves itself.
    pub auth: ClientAuth,
    /// With what.
    pub credential: SharedCredential,
    /// `audience`, as Auth0 needs it.
    pub audience: Option<String>,
    /// `resource` (RFC 8707), sent as given (SPEC CL-3).
    pub resource: Option<String>,
    /// `scope`; empty: what the server gives by itself.
    pub scopes: ScopeSet,
    /// Finds the endpoint.
    pub discovery: Discovery,
    /// Sends.
    pub fetch: Arc<dyn Fetch>,
    /// For dates in `Retry-After`.
    pub clock: Arc<dyn Clock>,
}

impl ClientCredentials {
    /// What its tokens depend on. The credential is not part of it: a new secret gets the same token.
    pub fn key(&self) -> TokenKey {
        TokenKey {
            tenant: None,
            issuer: self.issuer.clone(),
            client: self.client.clone(),
            grant: NAME,
            subject_token: None,
            scopes: self.scopes.clone(),
            audience: self.audience.clone(),
            resource: self.resource.clone(),
        }
    }

    async fn request(&self) -> Result<Granted, Failure> {
        let credential = self.credential.current()?;
        let endpoint = match &self.token_endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.discover().await?,
        };
        let mut form = Form { fields: vec![("grant_type", NAME.to_owned())], ..Form::default() };
        let optional = [("audience", &self.audience), ("resource", &self.resource)];
        form.fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        if !self.scopes.is_empty() {
            form.fields.push(("scope", self.scopes.to_string()));
        }
        self.auth.sign(&mut form, &self.client, &credential)?;
        let answer = self.fetch.post(&endpoint, form).await?;
        token_response::read(&answer, self.clock.unix_ms())
    }

    /// Asked for every request: a token is fetched a few times a day, and an issuer may move its endpoint.
    async fn discover(&self) -> Result<Endpoint, Failure> {
        let metadata = self.discovery.metadata(&self.issuer).await?;
        let endpoint = metadata.needs_token_endpoint().cloned();
        endpoint.map_err(|source| {
            let url = self.issuer.to_string();
            Failure::Discovery(bearward_issuer::DiscoveryError::Metadata { url, source })
        })
    }
}

impl Grant for ClientCredentials {
    fn request(&self) -> Requesting<'_> {
        Box::pin(self.request())
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        self.credential.current().ok().map(|credential| credential.version())
    }
}
