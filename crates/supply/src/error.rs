//! Why there is no token, sorted by what can be done about it.

use std::sync::Arc;
use std::time::Duration;

use bearward_issuer::{ClientError, CredentialError, DiscoveryError, FetchError};
use bearward_store::StoreError;

/// What [`crate::Handle`] answers when it has no token. Carries no secret and no response body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct SupplyError {
    /// What happened.
    pub failure: Arc<Failure>,
    /// When the next attempt is made; coming back earlier brings the same answer.
    pub retry_after: Option<Duration>,
}

impl SupplyError {
    /// Whoever calls can have no token, and will have none later.
    pub fn not_for_caller(reason: &'static str) -> Self {
        Self { failure: Arc::new(Failure::NotForCaller { reason }), retry_after: None }
    }
}

/// One failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The authorization server was not reached. Passing.
    #[error(transparent)]
    Unreachable(#[from] FetchError),
    /// Its metadata was not to be had.
    #[error("the authorization server's metadata is not to be had: {0}")]
    Discovery(#[from] DiscoveryError),
    /// It is overloaded or broken. Passing.
    #[error("the token endpoint answered with status {status}")]
    Unavailable {
        /// The status.
        status: u16,
        /// What it asked us to wait.
        retry_after: Option<Duration>,
    },
    /// Too many requests. Passing.
    #[error("the token endpoint says that this client asks too often")]
    RateLimited {
        /// What it asked us to wait.
        retry_after: Option<Duration>,
    },
    /// A success that is no token response. Passing, since proxies and half-read answers look like this.
    #[error("the token endpoint answered with success, and not with a bearer token: {reason}")]
    BadResponse {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It refused; the same request will be refused again until somebody changes something.
    #[error("the token endpoint refused with `{code}`: {advice}")]
    Refused {
        /// The OAuth error code, or the HTTP status where there is none.
        code: String,
        /// What to try.
        advice: &'static str,
    },
    /// The credential could not be read.
    #[error("the client's credential cannot be read: {reason}")]
    Credential {
        /// Why, without the credential.
        reason: String,
    },
    /// It asked for a pause, which is not over.
    #[error("the authorization server asked to be left alone for a while")]
    Paused {
        /// What is left of it.
        left: Duration,
    },
    /// The server's quota for this client is spent, or low while a token still works.
    #[error("the authorization server's quota for this client is spent, or nearly: it is not asked for {} s", .left.as_secs() + 1)]
    QuotaSpent {
        /// How long.
        left: Duration,
    },
    /// Only a person can get the next token.
    #[error("the login has ended ({reason}): log in again")]
    ReauthRequired {
        /// What ended it.
        reason: String,
    },
    /// The login's refresh token is being spent for another request. Passing.
    #[error("another request with the same login has no answer yet, and one at a time is made")]
    InLine,
    /// What must be durable could not be written or read.
    #[error("the token store: {reason}")]
    Store {
        /// What the store said.
        reason: String,
        /// It may work again by itself.
        is_passing: bool,
    },
    /// A token that is not asked for but given, and is of no use.
    #[error("the configured token cannot be used: {reason}")]
    Given {
        /// Why.
        reason: &'static str,
    },
    /// The token is a caller's own, and there is no caller, or none that may.
    #[error("{reason}")]
    NotForCaller {
        /// Why.
        reason: &'static str,
    },
    /// The answers hold no ID token.
    #[error(
        "there is no ID token that is alive: the authorization server gives one for scope `openid`, by a grant for a user"
    )]
    NoIdToken,
    /// A logout ended it while somebody waited.
    #[error("a logout ended the login while its token was being fetched")]
    LoggedOut,
    /// A logout of what nobody logged in for.
    #[error(
        "there is no login to end: this token is given, not fetched. Take it from where it is configured, and have its \
         issuer revoke it"
    )]
    NoLogin,
    /// Nobody has said how tokens for this key are had.
    #[error("no provider has this key")]
    UnknownKey,
    /// The grant itself failed in a way that nobody foresaw.
    #[error("getting the token failed by a fault of Bearward's own: please report it")]
    Fault,
    /// Many failures in a row: the server is left alone for a while.
    #[error(
        "the authorization server failed {failures} times in a row and is left alone for a moment; the last time: {cause}"
    )]
    BreakerOpen {
        /// How many.
        failures: u32,
        /// The last of them.
        cause: Arc<str>,
    },
    /// The caller's own deadline passed.
    #[error("no token within the {} ms that the caller would wait", .waited.as_millis())]
    Deadline {
        /// How long that was.
        waited: Duration,
    },
    /// The manager was shut down.
    #[error("the token manager is shutting down")]
    Stopped,
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Credential(error) => error.into(),
            ClientError::Fetch(error) => error.into(),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let is_passing = !matches!(
            error,
            StoreError::LoggedOut { .. }
                | StoreError::NotConfigured { .. }
                | StoreError::Damaged { .. }
                | StoreError::TooLarge { .. }
                | StoreError::PlaceTooLong { .. }
        );
        Self::Store { reason: error.to_string(), is_passing }
    }
}

impl From<CredentialError> for Failure {
    fn from(CredentialError(reason): CredentialError) -> Self {
        Self::Credential { reason }
    }
}

impl Failure {
    /// True when trying again later may help by itself.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Unavailable { .. } | Self::BadResponse { .. } => true,
            Self::Discovery(error) => error.is_passing(),
            Self::RateLimited { .. } | Self::Paused { .. } | Self::BreakerOpen { .. } => true,
            Self::QuotaSpent { .. } | Self::InLine => true,
            Self::Store { is_passing, .. } => *is_passing,
            _ => false,
        }
    }

    /// True when it says that the server is broken or out of reach (HARD 16).
    pub(crate) fn counts_for_breaker(&self) -> bool {
        self.is_passing()
            && !matches!(
                self,
                Self::RateLimited { .. }
                    | Self::Paused { .. }
                    | Self::BreakerOpen { .. }
                    | Self::QuotaSpent { .. }
                    | Self::InLine
                    | Self::Store { .. }
            )
    }

    /// True when the token endpoint was not asked, as far as the failure tells: nobody listened at its address, or what
    /// the request needs was not to be had here. It counts for no quota.
    pub(crate) fn never_left(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(FetchError::Connect { .. })
                | Self::Discovery(_)
                | Self::Credential { .. }
                | Self::ReauthRequired { .. }
                | Self::InLine
                | Self::Store { .. }
                | Self::Given { .. }
                | Self::NotForCaller { .. }
        )
    }

    /// What the server asked us to wait.
    pub fn asked_pause(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } | Self::RateLimited { retry_after } => *retry_after,
            Self::Discovery(DiscoveryError::Status { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }

    /// A fixed word for metrics.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Unreachable(FetchError::Timeout { .. }) => "timeout",
            Self::Unreachable(_) => "unreachable",
            Self::Discovery(_) => "discovery",
            Self::Unavailable { .. } => "unavailable",
            Self::RateLimited { .. } => "rate_limited",
            Self::BadResponse { .. } => "bad_response",
            Self::Refused { .. } => "refused",
            Self::Credential { .. } => "credential",
            Self::Paused { .. } => "paused",
            Self::QuotaSpent { .. } => "quota_spent",
            Self::ReauthRequired { .. } => "reauth_required",
            Self::InLine => "in_line",
            Self::Store { .. } => "store",
            Self::Given { .. } => "given",
            Self::NotForCaller { .. } => "not_for_caller",
            Self::NoIdToken => "no_id_token",
            Self::LoggedOut => "logged_out",
            Self::NoLogin => "no_login",
            Self::UnknownKey => "unknown_key",
            Self::Fault => "fault",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::Deadline { .. } => "deadline",
            Self::Stopped => "stopped",
        }
    }
}
