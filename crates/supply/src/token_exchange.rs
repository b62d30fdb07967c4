//! Token exchange (RFC 8693): a caller's own token for a destination, got for the token that the caller came with.
//!
//! Impersonation: the new token speaks for the caller. Delegation: with an actor token it says besides that Bearward acts
//! for them. The subject token goes to the authorization server that both trust, and nowhere else.

use std::sync::Arc;

use bearward_token::{AccessToken, Fingerprint, Principal};

use crate::error::Failure;
use crate::grant::{Ending, Grant, Granted, Preparing, Requesting, Revoked};
use crate::handle::{Handle, Label, Wanted};
use crate::held::Supplied;
use crate::key::TokenKey;
use crate::manager::TokenManager;
use crate::revoke::Revoker;
use crate::source::Caller;
use crate::token_request::TokenRequest;

/// The grant's name, in configuration and keys.
pub const NAME: &str = "token_exchange";

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Gets callers their own tokens.
#[derive(Debug)]
pub struct Exchange {
    /// Keeps them.
    pub manager: Arc<TokenManager>,
    /// What they are counted under.
    pub label: Label,
    /// What is asked for.
    pub request: Arc<TokenRequest>,
    /// Who acts for them, where the token is to say so.
    pub actor: Option<Handle>,
    /// Ends tokens on a logout.
    pub revoker: Option<Arc<Revoker>>,
}

/// One caller's exchange.
#[derive(Debug)]
pub struct TokenExchange {
    request: Arc<TokenRequest>,
    subject_token: AccessToken,
    actor: Option<Handle>,
    revoker: Option<Arc<Revoker>>,
}

impl Exchange {
    /// The way to a caller's own token. Kept by the very token that the caller came with: what was got for one of them
    /// serves no other, not even the same user's next one (HARD 3).
    pub fn handle(&self, caller: &Caller<'_>) -> Handle {
        let key = self.key(caller.principal, caller.token);
        self.manager.on_use(&self.label, &key, || {
            Arc::new(TokenExchange {
                request: self.request.clone(),
                subject_token: caller.token.clone(),
                actor: self.actor.clone(),
                revoker: self.revoker.clone(),
            })
        })
    }

    /// What a caller's own token depends on.
    pub fn key(&self, principal: &Principal, token: &AccessToken) -> TokenKey {
        let mut parts = self.request.key_parts(NAME);
        parts.tenant = principal.tenant.as_deref().map(str::to_owned);
        parts.subject_token = Some(token.fingerprint());
        // A token that says who acts is another one than a token that does not (HARD 3).
        parts.actor = self.actor.as_ref().map(|actor| actor.entry().key);
        TokenKey::from(parts)
    }
}

impl TokenExchange {
    async fn exchange(&self) -> Result<Granted, Failure> {
        let mut fields = vec![
            ("grant_type", GRANT_TYPE.to_owned()),
            ("subject_token", self.subject_token.expose().to_owned()),
            ("subject_token_type", ACCESS_TOKEN.to_owned()),
            ("requested_token_type", ACCESS_TOKEN.to_owned()),
        ];
        if let Some(actor) = self.actor().await? {
            fields.push(("actor_token", actor.token().expose().to_owned()));
            fields.push(("actor_token_type", ACCESS_TOKEN.to_owned()));
        }
        let answer = self.request.send(fields).await?;
        // SPEC CL-8: what is no access token would be attached as one.
        match answer.issued_token_type.as_deref() {
            Some(ACCESS_TOKEN | JWT) => Ok(answer.granted),
            Some(_) => Err(Failure::BadResponse { reason: "its issued_token_type is not an access token" }),
            None => Err(Failure::BadResponse { reason: "it has no issued_token_type (RFC 8693)" }),
        }
    }
}

impl TokenExchange {
    async fn actor(&self) -> Result<Option<Supplied>, Failure> {
        let Some(actor) = &self.actor else { return Ok(None) };
        let supplied = actor.ensure_access(&Wanted::default()).await;
        supplied.map(Some).map_err(|error| Failure::clone(&error.failure))
    }
}

impl Grant for TokenExchange {
    fn request(&self) -> Requesting<'_> {
        Box::pin(self.exchange())
    }

    // The actor's token comes from the same server as the same client: both pass one gate, which lets a single probe
    // through when the server was down.
    fn prepare(&self) -> Preparing<'_> {
        Box::pin(async { self.actor().await.map(drop) })
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
