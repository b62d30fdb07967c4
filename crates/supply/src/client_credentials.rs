//! The client credentials grant: a machine's own token (RFC 6749 §4.4).

use bearward_issuer::{Form, KnownMetadata, OauthClient};
use bearward_token::{Endpoint, Fingerprint, ScopeSet};

use crate::error::Failure;
use crate::grant::{Grant, Granted, Requesting};
use crate::key::{KeyParts, TokenKey};
use crate::token_response;

/// The grant's name, in configuration and keys.
pub const NAME: &str = "client_credentials";

/// One machine's token at one authorization server.
#[derive(Debug)]
pub struct ClientCredentials {
    /// Who issues it, and what is known of them.
    pub metadata: KnownMetadata,
    /// Where; discovered when left out.
    pub token_endpoint: Option<Endpoint>,
    /// As whom.
    pub client: OauthClient,
    /// `audience`, as Auth0 needs it.
    pub audience: Option<String>,
    /// `resource` (RFC 8707), sent as given (SPEC CL-3).
    pub resource: Option<String>,
    /// `scope`; empty: what the server gives by itself.
    pub scopes: ScopeSet,
    /// Further parameters that some server wants.
    pub extra: Vec<(String, String)>,
}

impl ClientCredentials {
    /// What its tokens depend on.
    pub fn key(&self) -> TokenKey {
        TokenKey::from(KeyParts {
            tenant: None,
            issuer: self.metadata.issuer().clone(),
            client: self.client.id.clone(),
            client_auth: self.client.auth.name(),
            credential: self.client.credential_version(),
            token_endpoint: self.token_endpoint.as_ref().map(ToString::to_string),
            grant: NAME,
            subject_token: None,
            scopes: self.scopes.clone(),
            audience: self.audience.clone(),
            resource: self.resource.clone(),
            extra: self.extra.clone(),
        })
    }

    async fn request(&self) -> Result<Granted, Failure> {
        let endpoint = match &self.token_endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.discover().await?,
        };
        let fields = vec![("grant_type", NAME.to_owned())];
        let mut form = Form { fields, extra: self.extra.clone(), ..Form::default() };
        let optional = [("audience", &self.audience), ("resource", &self.resource)];
        form.fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        if !self.scopes.is_empty() {
            form.fields.push(("scope", self.scopes.to_string()));
        }
        let granted = match self.client.post(self.metadata.issuer(), &endpoint, &form).await {
            Ok(answered) => token_response::read(&answered, self.client.clock.unix_ms()),
            Err(error) => Err(error.into()),
        };
        // The endpoint may have moved.
        granted.inspect_err(|_| self.metadata.doubt())
    }

    async fn discover(&self) -> Result<Endpoint, Failure> {
        let metadata = self.metadata.get().await?;
        metadata.token_endpoint().map_err(|source| {
            let url = self.metadata.issuer().to_string();
            Failure::Discovery(bearward_issuer::DiscoveryError::Metadata { url, source })
        })
    }
}

impl Grant for ClientCredentials {
    fn request(&self) -> Requesting<'_> {
        Box::pin(self.request())
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        self.client.credential_version()
    }
}
