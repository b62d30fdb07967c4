//! What sessions may get tokens for, and how (HARD 31): the providers of the configuration and no other.

use std::fmt;
use std::sync::Arc;

use bearward_observe::Denial;
use bearward_supply::{Caller, Exchange, Handle, SupplyError, Wanted};
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

    pub(crate) async fn handle(
        &self,
        provider: &Brokered,
        session: &Session,
        tokens: &SessionTokens,
        cookie: &Secret,
        scopes: &ScopeSet,
    ) -> Result<Handle, SupplyError> {
        let own = tokens.handle(cookie);
        match &provider.by {
            By::Login => Ok(own),
            By::Exchange { issuer, exchange } => {
                let token = own.ensure_access(&provider.wanted).await?;
                let principal = session.principal(issuer, scopes.clone());
                Ok(exchange.handle(&Caller { principal: &principal, token: token.token() }))
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
