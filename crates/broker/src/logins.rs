//! The logins that requests to one provider bring along, for a gateway that attaches their tokens.

use std::fmt;
use std::sync::Arc;

use bearward_observe::{Denial, Event};
use bearward_supply::{Found, Logins, Looking, SupplyError};
use bearward_token::Principal;
use http::HeaderMap;

use crate::cookies::Presented;
use crate::providers::SignedIn;
use crate::routes::Application;
use crate::same_site::Pages;
use crate::sessions::Entered;

const TWO_USERS: &str = "the session that came along is another user's than the request's own token";
const NOT_ONE: &str = "the session's cookie is not one of ours, or there are several that differ";
const DENIED: &str = "the user's login is not reused at this provider";
const FROM_A_PAGE: &str = "a page elsewhere needs a token of its own beside the session's cookie";
const UNKNOWN: &str = "there is no such provider for sessions";
const UNREADABLE: &str = "nothing is known of the session at the moment";

/// The logins of one application's users, at one provider.
pub struct ProviderLogins {
    application: Arc<Application>,
    name: Arc<str>,
    pages: Pages,
    /// Why nobody's is used; `None`: they are.
    denial: Option<Denial>,
}

impl ProviderLogins {
    /// Of the provider of this name. `denial` is why the gateway may not use them, as far as that hangs on its own part of
    /// the configuration.
    pub fn new(application: Arc<Application>, name: &str, denial: Option<Denial>) -> Self {
        let pages = Pages { home: application.home.clone(), others: application.origins.clone() };
        Self { application, name: name.into(), pages, denial }
    }

    async fn find(
        &self,
        headers: &HeaderMap,
        caller: Option<&Principal>,
    ) -> Result<Option<Found>, SupplyError> {
        let app = &*self.application;
        let provider = app.providers.find(&self.name).ok_or(SupplyError::not_for_caller(UNKNOWN))?;
        if let Some(reason) = self.denial.or(provider.denial) {
            app.observer.emit(Event::GuardDenied { provider: self.name.clone(), reason });
            return Err(SupplyError::not_for_caller(DENIED));
        }
        let cookie = match app.session_cookie.presented(headers) {
            // Where nobody has verified a caller, the cookie alone says who calls, and a page elsewhere may have made it call.
            Presented::One(_) if caller.is_none() && !self.pages.may_ask(headers) => {
                return Err(SupplyError::not_for_caller(FROM_A_PAGE));
            }
            Presented::One(cookie) => cookie,
            Presented::Nothing => return self.none(caller),
            Presented::Wrong => return Err(SupplyError::not_for_caller(NOT_ONE)),
        };
        let entered = app.sessions.enter(&cookie).await.map_err(|error| {
            tracing::warn!(%error, "nothing is known of a session");
            SupplyError::not_for_caller(UNREADABLE)
        })?;
        let session = match entered {
            Entered::Open(session) => session,
            Entered::Nothing => return self.none(caller),
            Entered::Ended => {
                if let Err(problem) = self.application.end(&cookie).await {
                    tracing::warn!(?problem, "what is left of a session is not cleaned up");
                }
                return self.none(caller);
            }
        };
        if caller.is_some_and(|caller| caller.issuer != *app.issuer() || *caller.subject != *session.subject)
        {
            let reason = Denial::SubjectMismatch;
            app.observer.emit(Event::GuardDenied { provider: self.name.clone(), reason });
            return Err(SupplyError::not_for_caller(TWO_USERS));
        }
        let login = app.tokens.of(&cookie, &session.subject);
        let (handle, _) = provider.token(SignedIn { session: &session, login: &login }, None).await?;
        Ok(Some(Found { handle, subject: session.subject.as_str().into() }))
    }
}

impl ProviderLogins {
    /// A caller without a session has its own token exchanged, which must be of the same authority: no other authorization
    /// server is shown it.
    fn none(&self, caller: Option<&Principal>) -> Result<Option<Found>, SupplyError> {
        let app = &*self.application;
        match caller {
            Some(caller) if caller.issuer != *app.issuer() => {
                let reason = Denial::AuthorityMismatch;
                app.observer.emit(Event::GuardDenied { provider: self.name.clone(), reason });
                Err(SupplyError::not_for_caller(DENIED))
            }
            _ => Ok(None),
        }
    }
}

impl Logins for ProviderLogins {
    fn of_request<'a>(&'a self, headers: &'a HeaderMap, caller: Option<&'a Principal>) -> Looking<'a> {
        Box::pin(self.find(headers, caller))
    }
}

impl fmt::Debug for ProviderLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProviderLogins({})", self.name)
    }
}
