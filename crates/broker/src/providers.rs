//! What sessions may get tokens for, and how (HARD 31): the providers of the configuration and no other.

use std::fmt;
use std::sync::Arc;

use bearward_supply::{Caller, Exchange, Handle, Label, SupplyError, Target, Wanted};
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
    /// False: the audience is not on the provider's own list, and nobody gets a token for it.
    pub is_allowed: bool,
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
        /// `audience`, as Auth0 needs it.
        audience: Option<String>,
        /// `resource` (RFC 8707).
        resource: Option<String>,
        /// Further parameters that the authority wants.
        extra: Vec<(String, String)>,
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

    pub(crate) fn find(&self, name: &str) -> Result<&Brokered, Problem> {
        let found = self.0.iter().find(|provider| &*provider.name == name);
        let provider = found.ok_or_else(|| Problem::new(ProblemKind::UnknownProvider))?;
        if !provider.is_allowed {
            return Err(Problem::new(ProblemKind::AudienceNotAllowed));
        }
        Ok(provider)
    }

    pub(crate) async fn handle(
        &self,
        provider: &Brokered,
        session: &Session,
        tokens: &SessionTokens,
        cookie: &Secret,
        scopes: &ScopeSet,
    ) -> Result<Handle, SupplyError> {
        match &provider.by {
            By::Login => Ok(tokens.handle(cookie)),
            By::Refresh { label, audience, resource, extra } => {
                let target = Target {
                    audience: audience.clone(),
                    resource: resource.clone(),
                    scopes: scopes.clone(),
                    extra: extra.clone(),
                };
                Ok(tokens.handle_for(cookie, target, label))
            }
            By::Exchange { issuer, exchange } => {
                let token = tokens.handle(cookie).ensure_access(&provider.wanted).await?;
                let principal = session.principal(issuer, scopes.clone());
                let handle = exchange.handle(&Caller { principal: &principal, token: token.token() });
                tokens.take_along(cookie, &handle);
                Ok(handle)
            }
        }
    }
}

impl Brokered {
    /// The scopes of a wish, none of which may be beyond what the configuration says.
    pub(crate) fn allowed(&self, wished: &[String]) -> Result<ScopeSet, Problem> {
        let not_allowed = || Problem::new(ProblemKind::ScopeNotAllowed);
        let wished: ScopeSet = wished
            .iter()
            .map(|text| text.parse::<Scope>())
            .collect::<Result<_, _>>()
            .map_err(|_| not_allowed())?;
        match () {
            () if wished.is_empty() => Ok(self.scopes.clone()),
            () if self.scopes.covers(&wished) => Ok(wished),
            () => Err(not_allowed()),
        }
    }
}

impl fmt::Debug for Brokered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Brokered({} for {})", self.name, self.audience)
    }
}
