//! Errors as problem details (RFC 9457): a type that a program can tell apart, and words for a person.

use std::time::Duration;

use bearward_guard::limits::whole_seconds;
use bearward_observe::Denial;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";
/// Before a kind's word.
const BASE: &str = "urn:bearward:problem:";

/// What went wrong. The words are promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each name is its own sentence; `as_str` gives the published word")]
pub enum ProblemKind {
    LoginRequired,
    SessionAmbiguous,
    CsrfRejected,
    UnsupportedContentType,
    InvalidRequest,
    BodyTooLarge,
    UnknownProvider,
    AudienceNotAllowed,
    ScopeNotAllowed,
    TooManyScopeSets,
    ProviderRefused,
    ReturnToNotAllowed,
    StateMismatch,
    StateExpired,
    IssuerMismatch,
    LoginRefused,
    LoginFailed,
    IssuerUnavailable,
    Unavailable,
    OriginNotAllowed,
    AuthorityMismatch,
    TooManyAttempts,
    NotFound,
    MethodNotAllowed,
    ReuseDisabled,
}

/// A problem of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which.
    pub kind: ProblemKind,
    /// What to do about it; nothing that came from outside.
    pub detail: Option<String>,
    /// When to come back, where that helps.
    pub retry_after: Option<Duration>,
}

impl ProblemKind {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::LoginRequired,
        Self::SessionAmbiguous,
        Self::CsrfRejected,
        Self::UnsupportedContentType,
        Self::InvalidRequest,
        Self::BodyTooLarge,
        Self::UnknownProvider,
        Self::AudienceNotAllowed,
        Self::ScopeNotAllowed,
        Self::TooManyScopeSets,
        Self::ProviderRefused,
        Self::ReturnToNotAllowed,
        Self::StateMismatch,
        Self::StateExpired,
        Self::IssuerMismatch,
        Self::LoginRefused,
        Self::LoginFailed,
        Self::IssuerUnavailable,
        Self::Unavailable,
        Self::OriginNotAllowed,
        Self::AuthorityMismatch,
        Self::TooManyAttempts,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::ReuseDisabled,
    ];

    /// The published word.
    pub fn as_str(self) -> &'static str {
        self.told().0
    }

    /// The status that goes with it.
    pub fn status(self) -> StatusCode {
        self.told().1
    }

    /// The same for everybody who meets it.
    pub fn title(self) -> &'static str {
        self.told().2
    }

    fn told(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::LoginRequired => ("login-required", S::UNAUTHORIZED, "There is no session: sign in"),
            Self::SessionAmbiguous => (
                "session-ambiguous",
                S::UNAUTHORIZED,
                "The session's cookie is not one of ours: sign in again",
            ),
            Self::CsrfRejected => (
                "csrf-rejected",
                S::FORBIDDEN,
                "Only the application's own pages may ask this, with `X-CSRF: 1`",
            ),
            Self::UnsupportedContentType => {
                ("unsupported-content-type", S::UNSUPPORTED_MEDIA_TYPE, "The body must be `application/json`")
            }
            Self::InvalidRequest => {
                ("invalid-request", S::BAD_REQUEST, "The request is not one of this endpoint's")
            }
            Self::BodyTooLarge => (
                "body-too-large",
                S::PAYLOAD_TOO_LARGE,
                "The body is longer than any that this endpoint reads",
            ),
            Self::UnknownProvider => ("unknown-provider", S::NOT_FOUND, "There is no provider of this name"),
            Self::AudienceNotAllowed => {
                ("audience-not-allowed", S::FORBIDDEN, "Tokens of this audience are not given to sessions")
            }
            Self::ScopeNotAllowed => {
                ("scope-not-allowed", S::FORBIDDEN, "The provider is not given these scopes")
            }
            Self::TooManyScopeSets => (
                "too-many-scope-sets",
                S::FORBIDDEN,
                "This session has tokens for too many different sets of scopes of this provider",
            ),
            Self::ProviderRefused => (
                "provider-refused",
                S::FORBIDDEN,
                "The authorization server gives no token for this provider",
            ),
            Self::ReturnToNotAllowed => {
                ("return-to-not-allowed", S::BAD_REQUEST, "`returnTo` must be a path of this application")
            }
            Self::StateMismatch => (
                "state-mismatch",
                S::BAD_REQUEST,
                "This login was not begun in this browser, or is over: sign in again",
            ),
            Self::StateExpired => {
                ("state-expired", S::BAD_REQUEST, "This login took too long: sign in again")
            }
            Self::IssuerMismatch => (
                "issuer-mismatch",
                S::BAD_REQUEST,
                "The answer is not of the issuer that was asked: sign in again",
            ),
            Self::LoginRefused => ("login-refused", S::FORBIDDEN, "The issuer refused the login"),
            Self::LoginFailed => ("login-failed", S::BAD_GATEWAY, "The issuer's answer cannot be trusted"),
            Self::IssuerUnavailable => {
                ("issuer-unavailable", S::SERVICE_UNAVAILABLE, "The issuer does not answer: try again later")
            }
            Self::Unavailable => ("unavailable", S::SERVICE_UNAVAILABLE, "This cannot be done at the moment"),
            Self::OriginNotAllowed => (
                "origin-not-allowed",
                S::FORBIDDEN,
                "There is no place where tokens for this provider may go",
            ),
            Self::AuthorityMismatch => (
                "authority-mismatch",
                S::FORBIDDEN,
                "This provider takes tokens of another authority than the one that users sign in at",
            ),
            Self::ReuseDisabled => {
                ("reuse-disabled", S::FORBIDDEN, "The operator has switched the reuse of logins off")
            }
            Self::NotFound => ("not-found", S::NOT_FOUND, "There is no endpoint at this path"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", S::METHOD_NOT_ALLOWED, "This endpoint is asked by another method")
            }
            Self::TooManyAttempts => {
                ("too-many-attempts", S::TOO_MANY_REQUESTS, "Too much was asked from here: try again later")
            }
        }
    }
}

impl From<Denial> for ProblemKind {
    /// What a session is told that may have no token for a provider.
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::OriginNotAllowed | Denial::SchemeBlocked => Self::OriginNotAllowed,
            Denial::AuthorityMismatch => Self::AuthorityMismatch,
            Denial::ReuseDisabled | Denial::ModeNotBearerFirst => Self::ReuseDisabled,
            Denial::AudienceNotAllowed | Denial::SubjectMismatch => Self::AudienceNotAllowed,
        }
    }
}

impl Problem {
    /// Of this kind, without more to say.
    pub fn new(kind: ProblemKind) -> Self {
        Self { kind, detail: None, retry_after: None }
    }

    /// With what to do about it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With when to come back.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Says when to come back, in `Retry-After`.
    pub(crate) fn tell_when(&self, headers: &mut HeaderMap) {
        if let Some(after) = self.retry_after {
            headers.insert(RETRY_AFTER, whole_seconds(after).into());
        }
    }

    /// The document.
    pub fn document(&self) -> Value {
        let mut document = json!({
            "type": format!("{BASE}{}", self.kind.as_str()),
            "title": self.kind.title(),
            "status": self.kind.status().as_u16(),
        });
        if let (Some(detail), Some(members)) = (&self.detail, document.as_object_mut()) {
            members.insert("detail".into(), detail.as_str().into());
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own_and_a_status_of_an_error() {
        let words: HashSet<_> = ProblemKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(words.len(), ProblemKind::ALL.len());
        for kind in ProblemKind::ALL {
            assert!(kind.status().is_client_error() || kind.status().is_server_error());
            assert!(!kind.title().is_empty());
        }
    }

    #[test]
    fn a_problem_is_a_document_as_rfc_9457_has_it() {
        let problem = Problem::new(ProblemKind::UnknownProvider).detail("known are: tools");
        assert_eq!(
            problem.document(),
            json!({
                "type": "urn:bearward:problem:unknown-provider",
                "title": "There is no provider of this name",
                "status": 404,
                "detail": "known are: tools",
            })
        );
    }
}
