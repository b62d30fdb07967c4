//! Whose token a request to a provider carries: one that all share, or the caller's own.
//!
//! ```text
//! Shared       everybody: the provider's one token
//! Own          each caller: a token exchanged for theirs
//! Staged       a share of the callers: their own; everybody else: the shared one
//! Session      each user: that of the session whose cookie came along; a caller without: one exchanged for theirs
//! Passthrough  the caller's very token, to the resource that it was issued for
//! ```
//! A request that should carry its caller's own token and cannot is an error, and never falls back to the shared one: that
//! would lend everybody the rights of the machine whenever an exchange fails.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bearward_token::{AccessToken, Clock, Principal, Share};
use http::HeaderMap;
use serde_json::Value;

use crate::error::SupplyError;
use crate::handle::{Handle, Wanted};
use crate::held::Supplied;
use crate::token_exchange::Exchange;

/// Where a provider's tokens come from.
#[derive(Debug)]
pub enum Source {
    /// One for all.
    Shared(Handle),
    /// Each caller's own.
    Own(Exchange),
    /// Each caller's own for a share of them, and a shared one for everybody else, and for calls without a caller.
    Staged {
        /// For those in the share.
        own: Exchange,
        /// For everybody else.
        shared: Handle,
        /// How many have their own.
        share: Share,
    },
    /// Each user's own, of the session that a request brings along.
    Session {
        /// Finds it.
        logins: Arc<dyn Logins>,
        /// For callers that bring none.
        own: Exchange,
    },
    /// The caller's very token, if it was issued for this resource.
    Passthrough {
        /// `aud` of the tokens that may pass.
        resource: String,
    },
}

/// The login that a request brings along, by a cookie.
pub trait Logins: fmt::Debug + Send + Sync {
    /// The way to its token; `None`: these headers bring none. `caller` is who the request's own token speaks for, where a
    /// guard has verified one.
    fn of_request<'a>(&'a self, headers: &'a HeaderMap, caller: Option<&'a Principal>) -> Looking<'a>;
}

/// What [`Logins::of_request`] answers with.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<Option<Found>, SupplyError>> + Send + 'a>>;

/// A login that came along.
#[derive(Debug, Clone)]
pub struct Found {
    /// The way to its token.
    pub handle: Handle,
    /// Whose it is, for the audit trail.
    pub subject: Arc<str>,
}

/// Who a request is made for, verified.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Who it is.
    pub principal: &'a Principal,
    /// The token that the guard verified.
    pub token: &'a AccessToken,
}

/// For whom a token speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acting {
    /// For the machine, whoever calls.
    Shared,
    /// For the caller.
    Own,
}

/// Where one request's token comes from.
#[derive(Debug, Clone)]
pub struct Picked {
    way: Way,
    /// For whom the token speaks.
    pub acting: Acting,
    /// Who that is, where only the login itself knows.
    pub subject: Option<Arc<str>>,
}

#[derive(Debug, Clone)]
enum Way {
    Kept(Handle),
    Carried(Supplied),
}

impl Source {
    /// True when it matters who calls.
    pub fn asks_for_caller(&self) -> bool {
        !matches!(self, Self::Shared(_))
    }

    /// True when to pick is to wait for a login's token; any other is waited for when it is asked for.
    pub fn may_wait(&self) -> bool {
        matches!(self, Self::Session { .. })
    }

    /// The token that all share, if there is one: what readiness and `bearward token` speak of.
    pub fn shared(&self) -> Option<&Handle> {
        match self {
            Self::Shared(handle) | Self::Staged { shared: handle, .. } => Some(handle),
            Self::Own(_) | Self::Session { .. } | Self::Passthrough { .. } => None,
        }
    }

    /// Where the token comes from for a request with these headers, of this caller.
    ///
    /// # Errors
    /// [`Failure::NotForCaller`] when the caller cannot have one, or there is none.
    pub async fn pick(
        &self,
        headers: &HeaderMap,
        caller: Option<&Caller<'_>>,
        clock: &dyn Clock,
    ) -> Result<Picked, SupplyError> {
        let kept = |handle, acting| Picked { way: Way::Kept(handle), acting, subject: None };
        match (self, caller) {
            (Self::Shared(handle), _) => Ok(kept(handle.clone(), Acting::Shared)),
            (Self::Own(own), Some(caller)) => Ok(kept(own.handle(caller), Acting::Own)),
            (Self::Staged { own, share, .. }, Some(caller)) if is_in(*share, own, caller) => {
                Ok(kept(own.handle(caller), Acting::Own))
            }
            (Self::Staged { shared, .. }, _) => Ok(kept(shared.clone(), Acting::Shared)),
            (Self::Session { logins, own }, caller) => {
                let principal = caller.map(|caller| caller.principal);
                match (logins.of_request(headers, principal).await?, caller) {
                    (Some(Found { handle, subject }), _) => {
                        Ok(Picked { subject: Some(subject), ..kept(handle, Acting::Own) })
                    }
                    (None, Some(caller)) => Ok(kept(own.handle(caller), Acting::Own)),
                    (None, None) => Err(SupplyError::not_for_caller(
                        "this provider's token is that of a user's session, and the request brings none",
                    )),
                }
            }
            (Self::Passthrough { resource }, Some(caller)) => carried(resource, caller, clock),
            (Self::Own(_) | Self::Passthrough { .. }, None) => Err(SupplyError::not_for_caller(
                "this provider's token is its caller's own, and the request has no verified caller",
            )),
        }
    }
}

/// The same caller is always on the same side.
fn is_in(share: Share, own: &Exchange, caller: &Caller<'_>) -> bool {
    let Principal { issuer, subject, .. } = caller.principal;
    share.includes(own.label.name(), &format!("{}:{issuer}{subject}", issuer.as_str().len()))
}

fn carried(resource: &str, caller: &Caller<'_>, clock: &dyn Clock) -> Result<Picked, SupplyError> {
    let is_for = match caller.principal.claims.get("aud") {
        Some(Value::String(one)) => one == resource,
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(resource)),
        _ => false,
    };
    if !is_for {
        return Err(SupplyError::not_for_caller(
            "the caller's token was not issued for this provider's resource, and does not go there",
        ));
    }
    let ends = Duration::from_secs(caller.principal.expires_at);
    let left = ends.saturating_sub(Duration::from_millis(clock.unix_ms()));
    if left.is_zero() {
        return Err(SupplyError::not_for_caller(
            "the caller's token has expired, and does not go on to the provider",
        ));
    }
    let supplied = Supplied::of(caller.token.clone(), left, clock);
    Ok(Picked { way: Way::Carried(supplied), acting: Acting::Own, subject: None })
}

impl Picked {
    /// The token; see [`Handle::ensure_access`].
    ///
    /// # Errors
    /// As there.
    pub async fn ensure_access(&self, wanted: &Wanted) -> Result<Supplied, SupplyError> {
        match &self.way {
            Way::Kept(handle) => handle.ensure_access(wanted).await,
            Way::Carried(supplied) => Ok(supplied.clone()),
        }
    }

    /// Another token than the refused one; see [`Handle::instead_of`]. There is no other for a token that is passed on.
    ///
    /// # Errors
    /// As there.
    pub async fn instead_of(
        &self,
        refused: &Supplied,
        wanted: &Wanted,
    ) -> Result<Option<Supplied>, SupplyError> {
        match &self.way {
            Way::Kept(handle) => handle.instead_of(refused, wanted).await,
            Way::Carried(_) => Ok(None),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
