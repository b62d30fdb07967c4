//! A request to a token endpoint, as all grants make it: where, as whom, and for what.

use bearward_issuer::{DiscoveryError, Form, KnownMetadata, OauthClient};
use bearward_token::{Endpoint, Fingerprint, ScopeSet};

use crate::error::Failure;
use crate::key::{KeyParts, TokenKey};
use crate::target::Target;
use crate::token_response::{self, Answer};

/// What a grant asks an authorization server for.
#[derive(Debug)]
pub struct TokenRequest {
    /// Who issues the token, and what is known of them.
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

impl TokenRequest {
    /// What a token depends on that is asked for so.
    pub fn key(&self, grant: &'static str) -> TokenKey {
        TokenKey::from(self.key_parts(grant))
    }

    /// The same, to be completed.
    pub fn key_parts(&self, grant: &'static str) -> KeyParts {
        self.key_parts_for(grant, self.target())
    }

    /// The same for another target.
    pub(crate) fn key_parts_for(&self, grant: &'static str, target: Target) -> KeyParts {
        let Target { audience, resource, scopes, extra } = target;
        KeyParts {
            client_auth: self.client.auth.name(),
            credential: self.client.credential_version(),
            token_endpoint: self.token_endpoint.as_ref().map(ToString::to_string),
            scopes,
            audience,
            resource,
            extra,
            ..KeyParts::new(self.metadata.issuer().clone(), &self.client.id, grant)
        }
    }

    /// What it asks for.
    pub fn target(&self) -> Target {
        Target {
            audience: self.audience.clone(),
            resource: self.resource.clone(),
            scopes: self.scopes.clone(),
            extra: self.extra.clone(),
        }
    }

    /// The version of the client's credential.
    pub fn credential_version(&self) -> Option<Fingerprint> {
        self.client.credential_version()
    }

    /// Sends it with what the grant adds, `grant_type` first.
    ///
    /// # Errors
    /// As [`token_response::read`]; and when the endpoint is not known, or not reached.
    pub async fn send(&self, grant: Vec<(&'static str, String)>) -> Result<Answer, Failure> {
        self.send_for(self.target(), grant).await
    }

    /// The same for another target: where it goes, and as whom, stays as it is.
    pub(crate) async fn send_for(
        &self,
        target: Target,
        grant: Vec<(&'static str, String)>,
    ) -> Result<Answer, Failure> {
        self.send_form(Form::of(grant), target).await
    }

    /// The same with what can be sent once: the answer is waited for longer than anybody waits for a token.
    ///
    /// # Errors
    /// As [`TokenRequest::send`].
    pub async fn spend(&self, grant: Vec<(&'static str, String)>) -> Result<Answer, Failure> {
        self.spend_for(self.target(), grant).await
    }

    /// The same for another target: where it goes, and as whom, stays as it is.
    pub(crate) async fn spend_for(
        &self,
        target: Target,
        grant: Vec<(&'static str, String)>,
    ) -> Result<Answer, Failure> {
        let mut form = Form::of(grant);
        form.is_spending = true;
        self.send_form(form, target).await
    }

    async fn send_form(&self, mut form: Form, target: Target) -> Result<Answer, Failure> {
        let endpoint = match &self.token_endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.discover().await?,
        };
        let Target { audience, resource, scopes, extra } = target;
        form.extra = extra;
        let optional = [("audience", audience), ("resource", resource)];
        form.fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        if !scopes.is_empty() {
            form.fields.push(("scope", scopes.to_string()));
        }
        let answer = match self.client.post(self.metadata.issuer(), &endpoint, &form).await {
            Ok(answered) => token_response::read(&answered, self.client.clock.unix_ms()),
            Err(error) => Err(error.into()),
        };
        // The endpoint may have moved.
        answer.inspect_err(|_| self.metadata.doubt())
    }

    async fn discover(&self) -> Result<Endpoint, Failure> {
        let metadata = self.metadata.get().await?;
        metadata.token_endpoint().map_err(|source| {
            let url = self.metadata.issuer().to_string();
            Failure::Discovery(DiscoveryError::Metadata { url, source })
        })
    }
}
