//! Token exchange (RFC 8693): a caller's own token for a destination, got for the token that the caller came with.
//!
//! Impersonation: the new token speaks for the caller. Delegation: with an actor token it says besides that Bearward acts
//! for them. The subject token goes to the authorization server that both trust, and nowhere else.

use std::sync::Arc;

use bearward_token::{AccessToken, Fingerprint, Principal, ScopeSet};

use crate::error::Failure;
use crate::gate::Gate;
use crate::grant::{Ending, Grant, Granted, Preparing, Requesting, Revoked};
use crate::handle::{Handle, Label, Wanted};
use crate::held::Supplied;
use crate::key::{KeyParts, TokenKey};
use crate::manager::TokenManager;
use crate::revoke::Revoker;
use crate::source::Caller;
use crate::target::Target;
use crate::token_request::TokenRequest;

/// The grant's name, in configuration and keys.
pub const NAME: &str = "token_exchange";

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// By these a server refuses a token that it is given (RFC 8693 §2.2.2), some by the other.
const TOKEN_REFUSED: [&str; 2] = ["invalid_request", "invalid_grant"];
const TOKENS: &str = "the caller's token, or the actor's, is not taken: it may have expired, been revoked, or be for \
                      another client; where neither is so, check `audience`, `resource` and `scopes`";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Gets callers their own tokens. Cheap enough to clone at the start.
#[derive(Debug, Clone)]
pub struct Exchange {
    manager: Arc<TokenManager>,
    pub(crate) label: Label,
    request: Arc<TokenRequest>,
    actor: Option<Handle>,
    revoker: Option<Arc<Revoker>>,
    gate: Arc<Gate>,
    /// What all their keys have in common, with the credential as it was at the start: a request reads no secret, and a
    /// rotated one does not make every caller's token be asked for anew.
    common: KeyParts,
}

/// One caller's exchange.
#[derive(Debug)]
pub struct TokenExchange {
    request: Arc<TokenRequest>,
    target: Target,
    subject_token: AccessToken,
    actor: Option<Handle>,
    revoker: Option<Arc<Revoker>>,
}

impl Exchange {
    /// Exchanges as `request` says; `manager` keeps the tokens, which are counted under `label`. `actor` is who acts for
    /// the callers, where the tokens are to say so; `revoker` ends tokens on a logout.
    pub fn new(
        manager: Arc<TokenManager>,
        label: Label,
        request: Arc<TokenRequest>,
        actor: Option<Handle>,
        revoker: Option<Arc<Revoker>>,
    ) -> Self {
        // A token that says who acts is another one than a token that does not (HARD 3).
        let actor_key = actor.as_ref().map(|actor| actor.entry().key);
        let common = KeyParts { actor: actor_key, ..request.key_parts(NAME) };
        let gate = manager.gate(request.metadata.issuer(), &request.client.id);
        if let Some(revoker) = &revoker {
            revoker.keep_to_pauses_at(gate.clone());
        }
        Self { manager, label, request, actor, revoker, gate, common }
    }

    /// True while its authorization server fails and is left alone.
    pub fn is_left_alone(&self) -> bool {
        self.gate.is_open()
    }

    /// The way to a caller's own token. Kept by the very token that the caller came with: what was got for one of them
    /// serves no other, not even the same user's next one (HARD 3).
    pub fn handle(&self, caller: &Caller<'_>) -> Handle {
        self.handle_of(caller, None)
    }

    /// The same for a token with these scopes and no others.
    pub fn handle_within(&self, caller: &Caller<'_>, scopes: &ScopeSet) -> Handle {
        self.handle_of(caller, Some(scopes))
    }

    fn handle_of(&self, caller: &Caller<'_>, scopes: Option<&ScopeSet>) -> Handle {
        let mut parts = self.key_parts(caller.principal, caller.token);
        if let Some(scopes) = scopes {
            parts.scopes = scopes.clone();
        }
        self.manager.on_use(&self.label, &TokenKey::from(parts), || {
            let mut target = self.request.target();
            if let Some(scopes) = scopes {
                target.scopes = scopes.clone();
            }
            Arc::new(TokenExchange {
                request: self.request.clone(),
                target,
                subject_token: caller.token.clone(),
                actor: self.actor.clone(),
                revoker: self.revoker.clone(),
            })
        })
    }

    /// What a caller's own token depends on.
    pub fn key(&self, principal: &Principal, token: &AccessToken) -> TokenKey {
        TokenKey::from(self.key_parts(principal, token))
    }

    fn key_parts(&self, principal: &Principal, token: &AccessToken) -> KeyParts {
        let mut parts = self.common.clone();
        parts.tenant = principal.tenant.as_deref().map(str::to_owned);
        parts.subject_token = Some(token.fingerprint());
        parts
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
        let actor = self.actor().await?;
        if let Some(actor) = &actor {
            fields.push(("actor_token", actor.token().expose().to_owned()));
            fields.push(("actor_token_type", ACCESS_TOKEN.to_owned()));
        }
        let answer = match self.request.send_for(self.target.clone(), fields).await {
            Err(Failure::Refused { code, .. }) if TOKEN_REFUSED.contains(&&*code) => {
                self.doubt_actor(actor.as_ref());
                return Err(Failure::Refused { code, advice: TOKENS });
            }
            answer => answer?,
        };
        // SPEC CL-8: what is no access token would be attached as one.
        match answer.issued_token_type.as_deref() {
            Some(ACCESS_TOKEN | JWT) => Ok(answer.granted),
            Some(_) => Err(Failure::BadResponse { reason: "its issued_token_type is not an access token" }),
            None => Err(Failure::BadResponse { reason: "it has no issued_token_type (RFC 8693)" }),
        }
    }
}

impl TokenExchange {
    /// Which of the two tokens was refused nobody says. The actor's serves everybody: it is replaced, at most twice a minute.
    fn doubt_actor(&self, refused: Option<&Supplied>) {
        if let (Some(actor), Some(refused)) = (&self.actor, refused) {
            actor.invalidate(refused);
        }
    }

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
