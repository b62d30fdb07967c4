//! What sessions may get tokens for, and how (HARD 31): the providers of the configuration and no other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bearward_observe::Denial;
use bearward_supply::{Caller, Exchange, Failure, Handle, Label, Supplied, SupplyError, Target, Wanted};
use bearward_token::{Issuer, Scope, ScopeSet};

use crate::narrowed::Narrowed;
use crate::problem::{Problem, ProblemKind};
use crate::random::Secret;
use crate::session_tokens::SessionLogin;
use crate::sessions::Session;

const NOTHING_TO_EXCHANGE: &str = "the session has no token that could be exchanged for this provider's";

/// All of them.
#[derive(Debug, Default)]
pub struct Providers {
    all: Vec<Brokered>,
    narrowed: Narrowed,
}

/// Who asks: an open session, with its login.
#[derive(Clone, Copy)]
pub(crate) struct SignedIn<'a> {
    pub(crate) session: &'a Session,
    pub(crate) login: &'a SessionLogin<'a>,
}

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
        /// What is asked for; its scopes are the provider's, or fewer.
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
        Self { all, narrowed: Narrowed::default() }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Brokered> {
        self.all.iter().find(|provider| &*provider.name == name)
    }

    /// The scopes of a session's wish, none of which may be beyond what the configuration says; `None`: it names none.
    pub(crate) fn allowed(
        &self,
        provider: &Brokered,
        cookie: &Secret,
        wished: &[String],
    ) -> Result<Option<ScopeSet>, Problem> {
        let scopes = provider.allowed(wished)?;
        if let Some(scopes) = &scopes {
            self.narrowed.ask(cookie.fingerprint(), &provider.name, scopes)?;
        }
        Ok(scopes)
    }
}

impl Brokered {
    /// Time left of the session's token for this provider that is at hand, if one is; asks nobody.
    pub(crate) fn known(&self, who: SignedIn<'_>) -> Option<Duration> {
        let own = who.login.own().current();
        self.handle(who, own.as_ref(), None)?.expires_in()
    }

    /// The session's token for this provider, and the way to it. An authorization server that does not take the session's
    /// own token any more gets a newer one to exchange, once.
    pub(crate) async fn token(
        &self,
        who: SignedIn<'_>,
        narrowed: Option<&ScopeSet>,
    ) -> Result<(Handle, Supplied), SupplyError> {
        let own = who.login.own();
        let before = own.current();
        let error = match self.attempt(who, &own, narrowed).await {
            Err(error) if self.doubts_the_sessions_token(&error) => error,
            outcome => return outcome,
        };
        // It may be the provider that is configured wrongly: the token in doubt stays until there is a newer one.
        let newer = match &before {
            Some(before) => own.instead_of(before, &self.wanted).await,
            None => Ok(None),
        };
        match newer {
            Ok(Some(_)) => self.attempt(who, &own, narrowed).await,
            Ok(None) | Err(_) => Err(error),
        }
    }

    async fn attempt(
        &self,
        who: SignedIn<'_>,
        own: &Handle,
        narrowed: Option<&ScopeSet>,
    ) -> Result<(Handle, Supplied), SupplyError> {
        let subject_token = match &self.by {
            By::Exchange { .. } => Some(own.ensure_access(&self.wanted).await?),
            By::Login | By::Refresh { .. } => None,
        };
        let handle = self.handle(who, subject_token.as_ref(), narrowed);
        let handle = handle.ok_or(SupplyError::not_for_caller(NOTHING_TO_EXCHANGE))?;
        let token = handle.ensure_access(&self.wanted).await?;
        Ok((handle, token))
    }

    /// The way to the session's token for this provider; with `narrowed` scopes, where fewer are asked for than it has.
    /// `None`: it is exchanged for the session's own, and there is none.
    fn handle(
        &self,
        SignedIn { session, login }: SignedIn<'_>,
        own: Option<&Supplied>,
        narrowed: Option<&ScopeSet>,
    ) -> Option<Handle> {
        match &self.by {
            By::Login => Some(match narrowed {
                None => login.own(),
                Some(scopes) => login.within(scopes),
            }),
            By::Refresh { label, target } => {
                let scopes = narrowed.unwrap_or(&self.scopes).clone();
                Some(login.asking(Target { scopes, ..target.clone() }, label))
            }
            By::Exchange { issuer, exchange } => {
                let principal = session.principal(issuer, self.scopes.clone());
                let caller = Caller { principal: &principal, token: own?.token() };
                let handle = match narrowed {
                    None => exchange.handle(&caller),
                    Some(scopes) => exchange.handle_within(&caller, scopes),
                };
                login.take_along(&handle);
                Some(handle)
            }
        }
    }

    /// By these an authorization server refuses a token that it is given (RFC 8693 §2.2.2), some by the other.
    fn doubts_the_sessions_token(&self, error: &SupplyError) -> bool {
        let is_doubt = |code: &str| matches!(code, "invalid_request" | "invalid_grant");
        matches!(self.by, By::Exchange { .. })
            && matches!(&*error.failure, Failure::Refused { code, .. } if is_doubt(code))
    }

    fn allowed(&self, wished: &[String]) -> Result<Option<ScopeSet>, Problem> {
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
