//! Events: named, structured facts about authentication.
//!
//! The names are promised (they stand in dashboards and alerts); the fields carry configured names and
//! verified identities, never a token, and never text that came unverified from outside.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A caller's token is good; what it asks for is judged next.
    AuthVerified {
        /// The guard's name.
        guard: Arc<str>,
        /// The verified subject.
        subject: Arc<str>,
        /// The verified client, when the token names one.
        client: Option<Arc<str>>,
        /// The answer came from the verification cache.
        cached: bool,
        /// How long verification took.
        took: Duration,
    },
    /// A guard let a request through that nothing would have refused.
    AuthAccepted {
        /// The guard's name.
        guard: Arc<str>,
    },
    /// A guard refused a caller.
    AuthRejected {
        /// The guard's name.
        guard: Arc<str>,
        /// Why.
        reason: Rejection,
        /// False where the guard only observes: the request went on.
        is_enforced: bool,
    },
    /// A token was attached to a request that left.
    HeaderAttached {
        /// The provider's name.
        provider: Arc<str>,
    },
    /// A provider's token came from memory.
    TokenStoreHit {
        /// The provider's name.
        provider: Arc<str>,
    },
    /// A token was asked for at an authorization server.
    TokenFetched {
        /// The provider's name.
        provider: Arc<str>,
        /// `None` when it came; else the kind of failure, a fixed word.
        failure: Option<&'static str>,
        /// From sending to answer.
        took: Duration,
        /// How long the new token lives.
        lifetime: Option<Duration>,
        /// How long after a refresh was due it came; `None` where there was no token to refresh, or nobody is to refresh
        /// it before somebody asks.
        late: Option<Duration>,
    },
    /// A caller waits for a token that somebody else has asked for already.
    FlightJoined {
        /// The provider's name.
        provider: Arc<str>,
    },
    /// An authorization server said how much it may still be asked.
    QuotaSeen {
        /// The provider's name.
        provider: Arc<str>,
        /// Which limit, a fixed word.
        limit: &'static str,
        /// How much it may be asked in a period.
        most: u64,
        /// How much of it is left.
        left: u64,
        /// Less than a fifth is left, for the first time in this period.
        is_low_now: bool,
    },
    /// A new version of a client's secret or key has worked for the first time.
    SecretRotated {
        /// The provider's name.
        provider: Arc<str>,
    },
    /// A provider refused our token; it is fetched again.
    Retry401 {
        /// The provider's name.
        provider: Arc<str>,
    },
    /// The retry with the new token was accepted.
    RetrySuccess {
        /// The provider's name.
        provider: Arc<str>,
    },
    /// A broker was asked for a provider's token, with the user's session.
    BrokerExchanged {
        /// The provider's name.
        provider: Arc<str>,
        /// `None` when it came; else the kind of failure, a fixed word.
        failure: Option<&'static str>,
    },
    /// A broker was asked for another token than the one that a provider refused.
    BrokerRefreshed {
        /// The provider's name.
        provider: Arc<str>,
        /// `None` when it came; else the kind of failure, a fixed word.
        failure: Option<&'static str>,
    },
    /// A token of the user's session was not attached.
    GuardDenied {
        /// The provider's name.
        provider: Arc<str>,
        /// Why.
        reason: Denial,
    },
    /// A request was answered; carries what the proxy itself cost.
    Proxied {
        /// The guard's name.
        guard: Arc<str>,
        /// Time from receipt to hand-over upstream, and from upstream's head to ours.
        overhead: Duration,
    },
}

/// Why the user's login is not reused for a request. The words are promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each name is its own sentence; `as_str` gives the published word")]
pub enum Denial {
    ReuseDisabled,
    ModeNotBearerFirst,
    OriginNotAllowed,
    SchemeBlocked,
    AuthorityMismatch,
    AudienceNotAllowed,
    SubjectMismatch,
}

impl Denial {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Self; 7] = [
        Self::ReuseDisabled,
        Self::ModeNotBearerFirst,
        Self::OriginNotAllowed,
        Self::SchemeBlocked,
        Self::AuthorityMismatch,
        Self::AudienceNotAllowed,
        Self::SubjectMismatch,
    ];

    /// The published word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReuseDisabled => "auth_reuse_disabled",
            Self::ModeNotBearerFirst => "auth_mode_not_bearer_first",
            Self::OriginNotAllowed => "auth_origin_not_allowed",
            Self::SchemeBlocked => "auth_scheme_blocked",
            Self::AuthorityMismatch => "auth_authority_mismatch",
            Self::AudienceNotAllowed => "auth_audience_not_allowed",
            Self::SubjectMismatch => "auth_subject_mismatch",
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a guard refused. The words are labels: few, fixed, and free of anything from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each name is its own sentence; `as_str` gives the published word")]
pub enum Rejection {
    NoToken,
    Malformed,
    TooLarge,
    SeveralTokens,
    TokenInQuery,
    Algorithm,
    UnknownKey,
    Signature,
    Issuer,
    Audience,
    Expired,
    NotYetValid,
    TokenType,
    KeyBound,
    Claims,
    Subject,
    AuthorizedParty,
    RequiredClaim,
    Scope,
    Role,
    Origin,
    Host,
    KeysUnavailable,
    Inactive,
    Revoked,
    RateLimited,
    IntrospectionUnavailable,
    ForeignSession,
    Body,
    HeaderMismatch,
}

impl Rejection {
    /// The published word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::SeveralTokens => "several_tokens",
            Self::TokenInQuery => "token_in_query",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::TokenType => "token_type",
            Self::KeyBound => "key_bound",
            Self::Claims => "claims",
            Self::Subject => "subject",
            Self::AuthorizedParty => "authorized_party",
            Self::RequiredClaim => "required_claim",
            Self::Scope => "scope",
            Self::Role => "role",
            Self::Body => "body",
            Self::HeaderMismatch => "header_mismatch",
            Self::Origin => "origin",
            Self::Host => "host",
            Self::Inactive => "inactive",
            Self::Revoked => "revoked",
            Self::RateLimited => "rate_limited",
            Self::IntrospectionUnavailable => "introspection_unavailable",
            Self::KeysUnavailable => "keys_unavailable",
            Self::ForeignSession => "foreign_session",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Event {
    /// The promised name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AuthVerified { .. } => "auth_verified",
            Self::AuthAccepted { .. } => "auth_accepted",
            Self::AuthRejected { reason: Rejection::Revoked, .. } => "auth_revoked",
            Self::AuthRejected { reason: Rejection::RateLimited, .. } => "auth_rate_limited",
            Self::AuthRejected { .. } => "auth_rejected",
            Self::HeaderAttached { .. } => "auth_header_bearer_first",
            Self::TokenStoreHit { .. } => "token_store_hit",
            Self::TokenFetched { .. } => "token_fetch",
            Self::FlightJoined { .. } => "token_flight_joined",
            Self::QuotaSeen { .. } => "token_quota",
            Self::SecretRotated { .. } => "secret_rotated",
            Self::Retry401 { .. } => "auth_retry_401",
            Self::RetrySuccess { .. } => "auth_retry_success",
            Self::BrokerExchanged { .. } => "token_broker_exchange",
            Self::BrokerRefreshed { .. } => "token_broker_refresh",
            Self::GuardDenied { .. } => "auth_guard_denied",
            Self::Proxied { .. } => "proxied",
        }
    }

    /// Writes the event to the log: refusals and failures at `info` and `warn`, the everyday at `debug`.
    pub(crate) fn log(&self) {
        let event = self.name();
        match self {
            Self::AuthVerified { guard, subject, client, cached, took } => tracing::debug!(
                event, %guard, %subject, client = client.as_deref(), cached, took_us = micros(*took), "caller verified"
            ),
            Self::AuthRejected { guard, reason, is_enforced: true } => {
                tracing::info!(event, %guard, reason = reason.as_str(), "caller refused");
            }
            Self::AuthRejected { guard, reason, is_enforced: false } => {
                tracing::info!(event, %guard, reason = reason.as_str(), enforced = false, "caller would be refused");
            }
            Self::TokenFetched { provider, failure: None, took, lifetime, .. } => tracing::info!(
                event, %provider, took_ms = micros(*took) / 1000, lifetime_s = lifetime.map(|l| l.as_secs()), "token fetched"
            ),
            Self::TokenFetched { provider, failure: Some(failure), took, .. } => {
                tracing::warn!(event, %provider, failure, took_ms = micros(*took) / 1000, "token not fetched");
            }
            Self::SecretRotated { provider } => {
                tracing::info!(event, %provider, "the new version of the secret works; the old one is not used any more");
            }
            Self::Retry401 { provider } => {
                tracing::info!(event, %provider, "the provider refused our token; asking for a new one");
            }
            Self::RetrySuccess { provider } => {
                tracing::info!(event, %provider, "the provider accepted the new token");
            }
            Self::QuotaSeen { provider, limit, most, left, is_low_now: true } => tracing::warn!(
                event, %provider, limit, most, left,
                "less than a fifth of the authorization server's quota is left; refreshes are spaced out"
            ),
            Self::QuotaSeen { provider, limit, most, left, is_low_now: false } => {
                tracing::debug!(event, %provider, limit, most, left);
            }
            Self::GuardDenied { provider, reason } => {
                tracing::info!(event, %provider, reason = reason.as_str(), "the login is not reused for this request");
            }
            Self::BrokerExchanged { provider, failure: None }
            | Self::BrokerRefreshed { provider, failure: None } => {
                tracing::debug!(event, %provider);
            }
            Self::BrokerExchanged { provider, failure: Some(failure) }
            | Self::BrokerRefreshed { provider, failure: Some(failure) } => {
                tracing::warn!(event, %provider, failure, "the broker gave no token");
            }
            Self::HeaderAttached { provider }
            | Self::TokenStoreHit { provider }
            | Self::FlightJoined { provider } => {
                tracing::trace!(event, %provider);
            }
            Self::AuthAccepted { guard } => tracing::trace!(event, %guard),
            Self::Proxied { guard, overhead } => {
                tracing::trace!(event, %guard, overhead_us = micros(*overhead));
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
