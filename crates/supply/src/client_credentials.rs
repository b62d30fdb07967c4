//! The client credentials grant: a machine's own token (RFC 6749 §4.4).

use std::sync::Arc;

use bearward_token::{AccessToken, Fingerprint};

use crate::grant::{Ending, Grant, Requesting, Revoked};
use crate::key::TokenKey;
use crate::revoke::Revoker;
use crate::token_request::TokenRequest;

/// The grant's name, in configuration and keys.
pub const NAME: &str = "client_credentials";

/// One machine's token at one authorization server.
#[derive(Debug)]
pub struct ClientCredentials {
    /// What is asked for.
    pub request: Arc<TokenRequest>,
    /// Ends tokens on a logout; without one they live until they expire.
    pub revoker: Option<Arc<Revoker>>,
}

impl ClientCredentials {
    /// Tokens that live until they expire.
    pub fn new(request: TokenRequest) -> Self {
        Self { request: Arc::new(request), revoker: None }
    }

    /// What its tokens depend on.
    pub fn key(&self) -> TokenKey {
        self.request.key(NAME)
    }
}

impl Grant for ClientCredentials {
    fn request(&self) -> Requesting<'_> {
        Box::pin(async {
            let answer = self.request.send(vec![("grant_type", NAME.to_owned())]).await?;
            Ok(answer.granted)
        })
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        self.request.credential_version()
    }

    fn end<'a>(&'a self, access: Option<&'a AccessToken>) -> Ending<'a> {
        Box::pin(async move {
            match (&self.revoker, access) {
                (Some(revoker), Some(access)) => revoker.revoke(&[access.into()]).await,
                _ => Ok(Revoked::Nothing),
            }
        })
    }
}
