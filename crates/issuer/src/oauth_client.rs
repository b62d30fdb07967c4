//! A client of ours at an authorization server, with a credential that may change while it is used.
//!
//! ```text
//! newest known ─┬─ works ──► the old one is forgotten
//!               └─ refused ─┬─ the store has a newer one by now ──► that one, once
//!                           └─ an old one worked before ──────────► the old one, once
//! ```
//! A secret store and an authorization server never learn of a new secret at the same moment, and what is known of a
//! store on the network may be half a minute old.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bearward_token::{Clock, Endpoint, Fingerprint, Issuer};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::client_auth::{Assertion, ClientAuth, Credential, CredentialError, SharedCredential};
use crate::fetch::{Fetch, FetchError, Fetched, Form};

/// A client.
pub struct OauthClient {
    /// `client_id`.
    pub id: String,
    /// How it proves itself.
    pub auth: ClientAuth,
    /// With what.
    pub credential: SharedCredential,
    /// `aud` of its assertions; absent: the issuer.
    assertion_audience: Option<String>,
    /// Sends.
    pub fetch: Arc<dyn Fetch>,
    /// Dates assertions.
    pub clock: Arc<dyn Clock>,
    /// The last one that worked.
    worked: Mutex<Option<Credential>>,
}

/// What was answered, and to which version of the credential.
#[derive(Debug)]
pub struct Answered {
    /// The answer.
    pub answer: Fetched,
    /// The version that was used.
    pub credential: Fingerprint,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The credential cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The server was not reached.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl OauthClient {
    /// A client; its assertions are for the issuer.
    pub fn new(
        id: impl Into<String>,
        auth: ClientAuth,
        credential: SharedCredential,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (id, worked) = (id.into(), Mutex::default());
        Self { id, auth, credential, assertion_audience: None, fetch, clock, worked }
    }

    /// Makes its assertions for another audience than the issuer, as some servers want it.
    #[must_use]
    pub fn asserting_to(mut self, audience: Option<String>) -> Self {
        self.assertion_audience = audience;
        self
    }

    /// The version of the credential that the next request would use, as far as it is known; `None` when nothing is.
    pub fn credential_version(&self) -> Option<Fingerprint> {
        self.credential.version()
    }

    /// Sends a form as this client. Where the server refuses the newest credential that is known, one that is newer
    /// still is tried, once; and where it does not know that yet, the one that worked last, once.
    ///
    /// # Errors
    /// When the credential cannot be used, or nobody answers. A refusal is an answer.
    pub async fn post(&self, issuer: &Issuer, url: &Endpoint, form: &Form) -> Result<Answered, ClientError> {
        let newest = match self.credential.current().await {
            Ok(newest) => newest,
            // What cannot be read for a moment need not stop what works.
            Err(error) => self.worked().ok_or(error)?,
        };
        let mut answered = self.post_with(issuer, url, form.clone(), &newest).await?;
        let mut used = newest;
        if refuses_client(&answered.answer)
            && let Some(newer) = self.newer_than(&used).await
        {
            answered = self.post_with(issuer, url, form.clone(), &newer).await?;
            used = newer;
        }
        if accepts_client(&answered.answer) {
            *self.worked.lock().unwrap_or_else(PoisonError::into_inner) = Some(used);
            return Ok(answered);
        }
        let older = self.worked().filter(|older| older.version() != answered.credential);
        if let Some(older) = older.filter(|_| refuses_client(&answered.answer)) {
            let again = self.post_with(issuer, url, form.clone(), &older).await?;
            // What an old one is refused for is no better advice than what the new one is.
            return Ok(if refuses_client(&again.answer) { answered } else { again });
        }
        Ok(answered)
    }

    /// What has come into the store since the refused one was read.
    async fn newer_than(&self, refused: &Credential) -> Option<Credential> {
        self.credential.doubt();
        let now = self.credential.current().await.ok()?;
        (now.version() != refused.version()).then_some(now)
    }

    async fn post_with(
        &self,
        issuer: &Issuer,
        url: &Endpoint,
        mut form: Form,
        credential: &Credential,
    ) -> Result<Answered, ClientError> {
        let audience = self.assertion_audience.as_deref().unwrap_or(issuer.as_str());
        let assertion = Assertion { audience, now: self.clock.unix_seconds() };
        self.auth.sign(&mut form, &self.id, credential, assertion)?;
        let answer = self.fetch.post(url, form).await?;
        Ok(Answered { answer, credential: credential.version() })
    }

    fn worked(&self) -> Option<Credential> {
        self.worked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for OauthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OauthClient({} by {})", self.id, self.auth.name())
    }
}

/// RFC 6749 §5.2, and what Auth0 answers to a wrong secret; some servers send the error with status 200.
fn refuses_client(answer: &Fetched) -> bool {
    let code = || said(answer).and_then(|said| said.error?.as_str().map(str::to_owned));
    answer.status == StatusCode::UNAUTHORIZED
        || ((answer.status.is_client_error() || answer.status.is_success())
            && matches!(code().as_deref(), Some("invalid_client" | "access_denied")))
}

/// A success that the server itself gave: the page of a proxy does not say that a credential works.
fn accepts_client(answer: &Fetched) -> bool {
    answer.status.is_success() && said(answer).is_some_and(|said| said.error.is_none())
}

#[derive(Deserialize)]
struct Said {
    error: Option<Value>,
}

/// What a JSON object says; nothing for any other body.
fn said(answer: &Fetched) -> Option<Said> {
    serde_json::from_slice(&answer.body).ok()
}

#[cfg(test)]
mod tests;
