//! One attempt to sign in, from the redirect to the issuer until its answer: what must come back, and from where.

use std::fmt;
use std::time::Duration;

use bearward_issuer::{Metadata, MetadataError};
use bearward_token::{Issuer, ScopeSet};
use subtle::ConstantTimeEq;
use url::Url;
use url::form_urlencoded;

use crate::problem::{Problem, ProblemKind};
use crate::random::{NoRandomness, Secret};
use crate::return_to::ReturnTo;

/// How long a user may take to sign in.
pub const LIFE: Duration = Duration::from_secs(10 * 60);

/// An attempt. It is kept here; the browser has a cookie that it is found by, and carries `state` to the issuer and back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Who was asked; recorded before the redirect (SPEC CL-4).
    pub issuer: Issuer,
    /// Comes back with the answer (SPEC CL-5).
    pub state: Secret,
    /// Comes back in the ID token.
    pub nonce: Secret,
    /// Shown when the code is exchanged (RFC 7636).
    pub verifier: Secret,
    /// Where the user wanted to go.
    pub return_to: ReturnTo,
}

/// What the application asks its issuer for.
#[derive(Debug, Clone)]
pub struct LoginRequest<'a> {
    /// `client_id`.
    pub client: &'a str,
    /// `redirect_uri`, exactly as it is registered.
    pub redirect_uri: &'a str,
    /// `scope`; `openid` is among them.
    pub scopes: &'a ScopeSet,
    /// `resource` (RFC 8707).
    pub resource: Option<&'a str>,
    /// Further ones, for which the login's refresh token is asked later (RFC 8707 §2.1).
    pub more_resources: &'a [String],
    /// Further parameters that some issuer wants, such as `prompt`.
    pub extra: &'a [(String, String)],
    /// `audience`, as Auth0 takes it.
    pub audience: Option<&'a str>,
    /// The operator says that the issuer takes PKCE although its metadata does not (SPEC CL-2).
    pub is_pkce_known: bool,
}

/// Why nobody is sent to the issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Its metadata does not name the endpoint.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// It does not say that it takes PKCE.
    #[error(
        "the issuer's metadata does not say that it takes PKCE with S256: where it does all the same, say so with \
         `pkce: true`"
    )]
    NoPkce,
    /// Its endpoint is no URL.
    #[error("the issuer's authorization endpoint is no URL")]
    NotAUrl,
}

/// The issuer's answer, as it came in the callback's query. `Debug` shows nothing of it: a code is as good as a login.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    issuer: Option<String>,
    error: Option<String>,
    is_doubled: bool,
}

impl Attempt {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn begin(issuer: Issuer, return_to: ReturnTo) -> Result<Self, NoRandomness> {
        Ok(Self { issuer, state: Secret::new()?, nonce: Secret::new()?, verifier: Secret::new()?, return_to })
    }

    /// Where the browser is sent (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2.1).
    ///
    /// # Errors
    /// As [`RequestError`] says.
    pub fn redirect(&self, metadata: &Metadata, request: &LoginRequest<'_>) -> Result<String, RequestError> {
        if !metadata.takes_pkce() && !request.is_pkce_known {
            return Err(RequestError::NoPkce);
        }
        let endpoint = metadata.authorization_endpoint()?;
        let mut url = Url::parse(endpoint.as_str()).map_err(|_| RequestError::NotAUrl)?;
        let scopes = request.scopes.to_string();
        let challenge = self.verifier.challenge();
        let fields = [
            ("response_type", "code"),
            ("client_id", request.client),
            ("redirect_uri", request.redirect_uri),
            ("scope", &scopes),
            ("state", self.state.expose()),
            ("nonce", self.nonce.expose()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let optional = [("resource", request.resource), ("audience", request.audience)];
        let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let more = request.more_resources.iter().map(|resource| ("resource", resource.as_str()));
        let extra = request.extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        url.query_pairs_mut().extend_pairs(fields.into_iter().chain(optional).chain(more).chain(extra));
        Ok(url.into())
    }

    /// The code in an answer to this attempt.
    ///
    /// # Errors
    /// A forged or replayed `state`, an answer of another issuer, or the issuer's own refusal, of which nothing is shown
    /// before both are right.
    pub fn code(&self, metadata: &Metadata, answer: &Answer) -> Result<String, Problem> {
        let problem = |kind| Err(Problem::new(kind));
        let state = answer.state.as_deref().unwrap_or_default();
        if answer.is_doubled || !bool::from(state.as_bytes().ct_eq(self.state.expose().as_bytes())) {
            return problem(ProblemKind::StateMismatch);
        }
        // RFC 9207 §2.4: compared as a plain string, missing only where the issuer never said that it names itself.
        match answer.issuer.as_deref() {
            Some(named) if named == self.issuer.as_str() => {}
            None if !metadata.names_itself() => {}
            _ => return problem(ProblemKind::IssuerMismatch),
        }
        match (&answer.code, &answer.error) {
            (Some(code), None) if !code.is_empty() => Ok(code.clone()),
            (_, Some(error)) => Err(refused(error)),
            _ => problem(ProblemKind::LoginFailed),
        }
    }
}

/// The issuer's error, by its code alone: its words are anybody's.
fn refused(error: &str) -> Problem {
    const PASSING: [&str; 2] = ["temporarily_unavailable", "server_error"];
    const KNOWN: [&str; 8] = [
        "access_denied",
        "login_required",
        "consent_required",
        "interaction_required",
        "account_selection_required",
        "invalid_scope",
        "invalid_request",
        "unauthorized_client",
    ];
    if PASSING.contains(&error) {
        return Problem::new(ProblemKind::IssuerUnavailable);
    }
    let problem = Problem::new(ProblemKind::LoginRefused);
    if KNOWN.contains(&error) { problem.detail(format!("the issuer says `{error}`")) } else { problem }
}

impl Answer {
    /// The state that it names, for the attempt to be found by.
    pub fn state(&self) -> &str {
        self.state.as_deref().unwrap_or_default()
    }

    /// Reads a query; a parameter that stands twice makes an answer that nobody gave (RFC 6749 §3.1).
    pub fn read(query: &str) -> Self {
        let mut answer = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "code" => &mut answer.code,
                "state" => &mut answer.state,
                "iss" => &mut answer.issuer,
                "error" => &mut answer.error,
                _ => continue,
            };
            answer.is_doubled |= place.is_some();
            *place = Some(value.into_owned());
        }
        answer
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer(redacted)")
    }
}

#[cfg(test)]
mod tests;
