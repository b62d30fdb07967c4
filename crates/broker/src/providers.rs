//! What sessions may get tokens for, and how (HARD 31): the providers of the configuration and no other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bearward_observe::Denial;
use bearward_supply::{Caller, Exchange, Failure, Handle, Label, Supplied, SupplyError, Target, Wanted};
use bearward_token::{Issuer, Scope, ScopeSet};

use crate::problem::{Problem, ProblemKind};
use crate::random::Secret;
use crate::session_tokens::SessionTokens;
use crate::sessions::Session;

/// All of them.
#[derive(Debug, Default)]
pub struct Providers(Vec<Brokered>);

/// One.
pub struct Brokered {
    /// Its name.
    pub name: Arc<str>,
    /// What its tokens are for.
    pub audience: String,
    /// Why nobody gets a token for it; `None`: sessions do.
    pub denial: Option<Denial>,
    /// What a session may ask for; its tokens have these where it asks for none.
    pub scopes: ScopeSet,
    /// How a session's token for it is had.
    pub by: By,
    /// What is wanted of its tokens.
    pub wanted: Wanted,
}

/// How a session's token for a provider is had.
pub enum By {
    /// It is the session's own: the same authority, the same audience.
    Login,
    /// Of the session's login, asked for what this provider takes (RFC 8707 §2.2): the same authority, another audience.
    Refresh {
        /// What its tokens are counted under.
        label: Label,
        /// What is asked for, but for the scopes.
        target: Target,
    },
    /// For the session's own (RFC 8693).
    Exchange {
        /// Whose tokens are exchanged.
        issuer: Issuer,
        /// How.
        exchange: Box<Exchange>,
    },
}

impl Providers {
    /// These.
    pub fn new(all: Vec<Brokered>) -> Self {
        Self(all)
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Brokered> {
        self.0.iter().find(|provider| &*provider.name == name)
    }

    /// Time left of the token for a provider that is at hand, if one is; asks nobody.
    pub(crate) fn known(
        &self,
        provider: &Brokered,
        session: &Session,
        tokens: &SessionTokens,
        cookie: &Secret,
    ) -> Option<Duration> {
        match &provider.by {
            By::Login => tokens.handle(cookie).expires_in(),
            By::Refresh { label, target } => {
                let target = Target { scopes: provider.scopes.clone(), ..target.clone() };
                tokens.handle_for(cookie, target, label).expires_in()
            }
            By::Exchange { issuer, exchange } => {
                let own = tokens.handle(cookie).current()?;
                let principal = session.principal(issuer, provider.scopes.clone());
                exchange.handle(&Caller { principal: &principal, token: own.token() }).expires_in()
            }
        }
    }

    /// A session's token for a provider. An authorization server that does not take the session's own token any more gets a
    /// newer one to exchange, once.
    pub(crate) async fn token(
        &self,
        provider: &Brokered,
        session: &Session,
        tokens: &SessionTokens,
        cookie: &Secret,
        narrowed: Option<&ScopeSet>,
    ) -> Result<(Handle, Supplied), SupplyError> {
        let own = tokens.handle(cookie).current();
        let attempt = async || {
            let handle = self.handle(provider, session, tokens, cookie, narrowed).await?;
            let token = handle.ensure_access(&provider.wanted).await?;
            Ok::<_, SupplyError>((handle, token))
        };
        match (attempt().await, own) {
            (Err(error), Some(own)) if provider.doubts_the_sessions_token(&error) => {
                match tokens.handle(cookie).invalidate(&own) {
                    true => attempt().await,
                    false => Err(error),
                }
            }
            (token, _) => token,
        }
    }

    /// The way to a session's token for a provider; with `narrowed` scopes, where fewer are asked for than it has.
    pub(crate) async fn handle(
        &self,
        provider: &Brokered,
        session: &Session,
        tokens: &SessionTokens,
        cookie: &Secret,
        narrowed: Option<&ScopeSet>,
    ) -> Result<Handle, SupplyError> {
        tokens.belongs_to(cookie, &session.subject);
        match &provider.by {
            By::Login => Ok(match narrowed {
                None => tokens.handle(cookie),
                Some(scopes) => tokens.handle_within(cookie, scopes),
            }),
            By::Refresh { label, target } => {
                let scopes = narrowed.unwrap_or(&provider.scopes).clone();
                Ok(tokens.handle_for(cookie, Target { scopes, ..target.clone() }, label))
            }
            By::Exchange { issuer, exchange } => {
                let token = tokens.handle(cookie).ensure_access(&provider.wanted).await?;
                let principal = session.principal(issuer, provider.scopes.clone());
                let caller = Caller { principal: &principal, token: token.token() };
                let handle = match narrowed {
                    None => exchange.handle(&caller),
                    Some(scopes) => exchange.handle_within(&caller, scopes),
                };
                tokens.take_along(cookie, &handle);
                Ok(handle)
            }
        }
    }
}

impl Brokered {
    /// By these an authorization server refuses a token that it is given (RFC 8693 §2.2.2), some by the other.
    fn doubts_the_sessions_token(&self, error: &SupplyError) -> bool {
        let is_doubt = |code: &str| matches!(code, "invalid_request" | "invalid_grant");
        matches!(self.by, By::Exchange { .. })
            && matches!(&*error.failure, Failure::Refused { code, .. } if is_doubt(code))
    }

    /// The scopes of a wish, none of which may be beyond what the configuration says; `None`: it names none.
    pub(crate) fn allowed(&self, wished: &[String]) -> Result<Option<ScopeSet>, Problem> {
        let not_allowed = || Problem::new(ProblemKind::ScopeNotAllowed);
        let wished: ScopeSet = wished
            .iter()
            .map(|text| text.parse::<Scope>())
            .collect::<Result<_, _>>()
            .map_err(|_| not_allowed())?;
        match () {
            () if wished.is_empty() || wished == self.scopes => Ok(None),
            () if self.scopes.covers(&wished) => Ok(Some(wished)),
            () => Err(not_allowed()),
        }
    }
}

impl fmt::Debug for Brokered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Brokered({} for {})", self.name, self.audience)
    }
}
