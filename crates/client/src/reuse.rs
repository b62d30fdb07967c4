//! The user's login at one provider: whether a request carries it, and as what.

use std::sync::Arc;

use bearward_observe::{Denial, Event, Observer};
use bearward_supply::{Handle, Supplied, SupplyError, Wanted};
use bearward_token::{Authority, Clock, Origin};
use http::HeaderValue;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, StatusCode};
use url::Url;

use crate::choice::{Choice, Levels};
use crate::mode::Mode;
use crate::provider::{Provider, advice, judge};
use crate::session::SessionCookie;

/// Session expired, as some frameworks answer instead of 401.
const AUTHENTICATION_TIMEOUT: u16 = 419;

/// What the program that sends requests says of reuse; the rest comes from its command line, environment and configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// Whether the login is reused; `None`: the configuration says.
    pub mcp_reuse_authorizer: Option<bool>,
    /// How; `None`: the configuration says.
    pub mcp_reuse_authorizer_mode: Option<Mode>,
}

/// The application that the user has signed in to.
#[derive(Debug, Clone)]
pub struct Application {
    /// Whose login it is.
    pub authority: Authority,
    /// Where its own cookie may go, with the cookie; for `cookie_first`.
    pub cookie: Option<(Origin, SessionCookie)>,
}

/// Carries a user's login to one provider. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reuse(Arc<Inner>);

/// What a [`Reuse`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where the user has signed in.
    pub application: Application,
    /// Where requests go.
    pub provider: Provider,
    /// The user's tokens for it; see [`crate::session::Broker::handle`].
    pub tokens: Handle,
    /// What is wanted of them; usually [`crate::session::wanted`].
    pub wanted: Wanted,
    /// What command line, environment and configuration say.
    pub levels: Levels,
    /// What the program says.
    pub options: ClientOptions,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Told of every header, and of every denial.
    pub observer: Observer,
}

#[derive(Debug)]
struct Inner {
    parts: Parts,
}

/// What a request carries.
#[derive(Debug, Clone)]
pub enum Attached {
    /// A token of the user's.
    Bearer {
        /// The token, to be told apart from the next one.
        token: Supplied,
        /// The `Authorization` value, marked sensitive.
        header: HeaderValue,
    },
    /// The application's own cookie.
    Cookie(HeaderValue),
    /// Nothing of ours: reuse is off, or a cookie must not go there.
    Nothing,
}

/// Why a request does not leave. No byte of it was sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReuseError {
    /// A guard says no.
    #[error("the user's login is not reused at `{provider}` ({reason}): {}", advice(*.reason))]
    Denied {
        /// The provider's name.
        provider: Arc<str>,
        /// Which guard.
        reason: Denial,
    },
    /// There is no token.
    #[error("no token for `{provider}`: {source}")]
    NoToken {
        /// The provider's name.
        provider: Arc<str>,
        /// Why.
        source: SupplyError,
    },
}

impl Reuse {
    /// Out of its parts.
    pub fn new(mut parts: Parts) -> Self {
        let ClientOptions { mcp_reuse_authorizer: reuse, mcp_reuse_authorizer_mode: mode } = parts.options;
        parts.levels.client = Choice { reuse, mode }.or(parts.levels.client);
        parts.levels.provider = parts.provider.choice.or(parts.levels.provider);
        Self(Arc::new(Inner { parts }))
    }

    /// What each level says of a request with this context.
    pub fn levels(&self, context: Choice) -> Levels {
        Levels { context, ..self.parts().levels }
    }

    /// What a request to `destination` is to carry.
    ///
    /// In mode `cookie_first` that is the application's cookie where it may go, else nothing.
    ///
    /// # Errors
    /// When a guard says no, reuse being off included; or when there is no token.
    pub async fn build_auth_header(
        &self,
        destination: &Url,
        context: Choice,
    ) -> Result<Attached, ReuseError> {
        let Parts { application, provider, .. } = self.parts();
        match judge(&self.levels(context), &application.authority, provider, destination) {
            Ok(()) => self.bearer(None).await,
            Err(Denial::ModeNotBearerFirst) => {
                self.denied(Denial::ModeNotBearerFirst);
                Ok(self.cookie(destination))
            }
            Err(reason) => {
                self.denied(reason);
                Err(ReuseError::Denied { provider: provider.name.clone(), reason })
            }
        }
    }

    /// The same for who sends it: where reuse is off, requests leave as they would without us, so that switching it off
    /// takes nothing away (docs/adr/0016).
    pub(crate) async fn prepare(&self, destination: &Url, context: Choice) -> Result<Attached, ReuseError> {
        match self.build_auth_header(destination, context).await {
            Err(ReuseError::Denied { reason: Denial::ReuseDisabled, .. }) => Ok(Attached::Nothing),
            attached => attached,
        }
    }

    /// What the one retry of a refused request carries; `None`: there is none to make.
    pub(crate) async fn after_refusal(
        &self,
        destination: &Url,
        context: Choice,
        carried: &Attached,
    ) -> Option<Attached> {
        let Parts { application, provider, observer, .. } = self.parts();
        let levels = self.levels(context);
        let refused = match carried {
            Attached::Bearer { token, .. } => Some(token),
            _ if !levels.reuse().value || levels.mode().value != Mode::CookieFirst => return None,
            _ => None,
        };
        observer.emit(Event::Retry401 { provider: provider.name.clone() });
        if let Err(reason) = provider.may_have(&application.authority, destination) {
            self.denied(reason);
            return None;
        }
        match self.bearer(refused).await {
            Ok(attached) => Some(attached),
            Err(error) => {
                tracing::warn!(provider = &*provider.name, %error, "the refused request is not repeated");
                None
            }
        }
    }

    /// The retry was answered. A token that was refused where a cookie had been before was never asked for anew: the next
    /// request must not get it again (HARD 15).
    pub(crate) fn settled(&self, carried: &Attached, other: &Attached, is_refused: bool) {
        let Parts { provider, observer, tokens, .. } = self.parts();
        if !is_refused {
            observer.emit(Event::RetrySuccess { provider: provider.name.clone() });
        } else if let (false, Attached::Bearer { token, .. }) = (carried.is_bearer(), other) {
            tokens.invalidate(token);
        }
    }

    async fn bearer(&self, refused: Option<&Supplied>) -> Result<Attached, ReuseError> {
        let Parts { tokens, wanted, provider, clock, observer, .. } = self.parts();
        let no_token = |source| ReuseError::NoToken { provider: provider.name.clone(), source };
        let token = match refused {
            None => tokens.ensure_access(wanted).await.map_err(no_token)?,
            Some(refused) => match tokens.instead_of(refused, wanted).await.map_err(no_token)? {
                Some(token) => token,
                None => return Ok(Attached::Nothing),
            },
        };
        // One that dies in this very moment is not attached, and nothing leaves in its place (HARD 6).
        let Some(header) = token.authorization(&**clock) else {
            let reason = "the token has expired in the moment in which it was given";
            return Err(no_token(SupplyError::not_for_caller(reason)));
        };
        observer.emit(Event::HeaderAttached { provider: provider.name.clone() });
        Ok(Attached::Bearer { token, header })
    }

    /// A cookie goes to the origin that it is of, and nowhere else, whoever issues tokens for both.
    fn cookie(&self, destination: &Url) -> Attached {
        let Parts { application, provider, .. } = self.parts();
        let Some((home, cookie)) = &application.cookie else { return Attached::Nothing };
        if let Err(reason) = provider.may_have(&application.authority, destination) {
            self.denied(reason);
            return Attached::Nothing;
        }
        if Origin::of(destination).as_ref() != Some(home) {
            self.denied(Denial::OriginNotAllowed);
            return Attached::Nothing;
        }
        Attached::Cookie(cookie.value().clone())
    }

    fn denied(&self, reason: Denial) {
        let Parts { provider, observer, .. } = self.parts();
        observer.emit(Event::GuardDenied { provider: provider.name.clone(), reason });
    }

    fn parts(&self) -> &Parts {
        &self.0.parts
    }
}

impl Attached {
    fn is_bearer(&self) -> bool {
        matches!(self, Self::Bearer { .. })
    }

    /// Puts it on a request. A cookie stands beside those that are there.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap) {
        match self {
            Self::Bearer { header, .. } => {
                headers.insert(AUTHORIZATION, header.clone());
            }
            Self::Cookie(cookie) => {
                let cookies = beside(headers.get(COOKIE), cookie);
                headers.insert(COOKIE, cookies);
            }
            Self::Nothing => {}
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

/// Cookies of a request with one more, in the one header that they may have (RFC 6265 §5.4).
pub(crate) fn beside(own: Option<&HeaderValue>, cookie: &HeaderValue) -> HeaderValue {
    let together = own.map(|own| [own.as_bytes(), b"; ", cookie.as_bytes()].concat());
    let mut value =
        together.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()).unwrap_or_else(|| cookie.clone());
    value.set_sensitive(true);
    value
}

/// True for an answer that says that the credential was not taken.
pub(crate) fn is_refusal(status: StatusCode) -> bool {
    status == StatusCode::UNAUTHORIZED || status.as_u16() == AUTHENTICATION_TIMEOUT
}
