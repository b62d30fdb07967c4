//! The ways a guard says no, and the challenge that tells the caller what to do about it.
//!
//! RFC 6750 §3, RFC 9728 §5.1, SPEC RS-3, RS-4, RS-6. The answer carries no detail that would help an
//! attacker; the exact reason goes to the event.

use std::time::Duration;

use bearward_observe::Rejection;
use bearward_token::ScopeSet;

use crate::limits::Exceeded;
use crate::verify::Verified;
use http::{HeaderValue, StatusCode};

/// A refusal: what the caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 401 without an `error`: no token was sent.
    NoToken(Rejection),
    /// 400: the request itself is malformed.
    InvalidRequest(Rejection),
    /// 401: the token does not open this resource.
    InvalidToken(Rejection),
    /// 403: the token is good and does not allow this.
    InsufficientScope {
        /// Every scope that this operation needs (SPEC RS-6).
        needed: ScopeSet,
    },
    /// 403: the token is good, and who it speaks for may not come in whatever else it brings.
    Forbidden(Rejection),
    /// 429: too many requests, or too many refused tokens from one address.
    TooMany(Exceeded),
    /// 503: nothing can be said about the token: no key of its issuer is known yet, or the issuer cannot be asked.
    Unavailable {
        /// Which of them.
        reason: Rejection,
        /// When to come back.
        retry_after: Duration,
    },
}

/// A refusal, and whether it counts.
#[derive(Debug, Clone)]
pub struct Refused {
    /// What the caller is told, or would be.
    pub refusal: Refusal,
    /// Who it is, where the token itself was good.
    pub caller: Option<Verified>,
    /// False where the guard only observes this caller: the request goes on.
    pub is_enforced: bool,
}

/// What a challenge says about the guard. Built once per guard.
#[derive(Debug, Clone)]
pub struct Challenger {
    realm: String,
    resource_metadata: String,
    scope: ScopeSet,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoToken(_) | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest(_) => StatusCode::BAD_REQUEST,
            Self::InsufficientScope { .. } | Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The word for the event.
    pub fn rejection(&self) -> Rejection {
        match self {
            Self::NoToken(reason)
            | Self::InvalidRequest(reason)
            | Self::InvalidToken(reason)
            | Self::Forbidden(reason) => *reason,
            Self::InsufficientScope { .. } => Rejection::Scope,
            Self::TooMany(_) => Rejection::RateLimited,
            Self::Unavailable { reason, .. } => *reason,
        }
    }

    /// What a person reads in the answer's body.
    pub fn message(&self) -> &'static str {
        match self {
            Self::NoToken(_) => "An access token is required: send it as `Authorization: Bearer`",
            Self::InvalidRequest(_) => {
                "The request is malformed: send exactly one access token, in the Authorization header alone"
            }
            Self::InvalidToken(_) => {
                "The access token is expired or not valid for this resource: get a new one"
            }
            Self::InsufficientScope { .. } => "The access token lacks a scope that this operation needs",
            Self::Forbidden(_) => "The access token is good, and does not allow its bearer this",
            Self::TooMany(_) => "Too many requests: slow down and come back later",
            Self::Unavailable { .. } => "Tokens cannot be verified at the moment: try again shortly",
        }
    }

    /// RFC 6750 §3.1; `None` when no token was sent, or none would help.
    fn error(&self) -> Option<&'static str> {
        match self {
            // A new token would not help, so nothing asks for one.
            Self::NoToken(_) | Self::Forbidden(_) | Self::TooMany(_) | Self::Unavailable { .. } => None,
            Self::InvalidRequest(_) => Some("invalid_request"),
            Self::InvalidToken(_) => Some("invalid_token"),
            Self::InsufficientScope { .. } => Some("insufficient_scope"),
        }
    }
}

impl Challenger {
    /// `realm` and `resource_metadata` as configured; `scope` is what a caller needs at least.
    pub(crate) fn new(realm: &str, resource_metadata: &str, scope: &ScopeSet) -> Self {
        Self {
            realm: realm.into(),
            resource_metadata: resource_metadata.into(),
            // RFC 6749's refresh scope is the client's business, never a resource's (SPEC RS-7).
            scope: scope.without("offline_access"),
        }
    }

    /// The `WWW-Authenticate` value for a refusal; `None` where none belongs (503).
    pub fn challenge(&self, refusal: &Refusal) -> Option<HeaderValue> {
        if matches!(refusal, Refusal::Unavailable { .. } | Refusal::TooMany(_)) {
            return None;
        }
        let mut text = format!("Bearer realm={}", quoted(&self.realm));
        if let Some(error) = refusal.error() {
            text.push_str(&format!(", error=\"{error}\", error_description={}", quoted(refusal.message())));
        }
        let scope = match refusal {
            Refusal::InsufficientScope { needed } => needed.without("offline_access"),
            _ => self.scope.clone(),
        };
        if !scope.is_empty() {
            text.push_str(&format!(", scope=\"{scope}\""));
        }
        text.push_str(&format!(", resource_metadata={}", quoted(&self.resource_metadata)));
        HeaderValue::try_from(text).ok()
    }
}

/// RFC 9110 §5.6.4: quote and backslash escaped; what no header may carry is left out.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ') {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
