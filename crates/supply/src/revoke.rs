//! Tells an authorization server that tokens are of no use any more (RFC 7009), and keeps telling it until it knows.
//!
//! ```text
//! logout ─► told? ─yes─► done
//!             └─no──► queue, in the store ─► told again, with a pause that grows ─► done
//! ```
//! A logout never fails because the server is down (HARD 14).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bearward_issuer::{FetchError, Form, MetadataError};
use bearward_store::{Expected, Place, Purpose, SecretBytes, Store, StoreError};
use bearward_token::{AccessToken, Clock, Endpoint, Fingerprint, RefreshToken};
use http::StatusCode;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::error::Failure;
use crate::gate::Gate;
use crate::grant::Revoked;
use crate::handle::Handle;
use crate::shelf::in_time;
use crate::token_request::TokenRequest;

/// Between two attempts: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3600));
/// A server that does not answer holds a logout up for no longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What was not revoked in this time has expired at its server too.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Revokes the tokens of one client.
pub struct Revoker {
    inner: Arc<Inner>,
    task: AbortHandle,
}

struct Inner {
    request: Arc<TokenRequest>,
    queue: Arc<dyn Store>,
    /// Where in the queue something waits.
    waiting: Mutex<Vec<Place>>,
    queued: Notify,
    /// What stands before the same server for the same client.
    gate: OnceLock<Arc<Gate>>,
}

/// A token to be revoked.
#[derive(Debug, Clone)]
pub struct Revocable {
    secret: SecretBytes,
    hint: Hint,
}

/// `token_type_hint` (RFC 7009 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hint {
    Access,
    Refresh,
}

impl From<&AccessToken> for Revocable {
    fn from(token: &AccessToken) -> Self {
        Self { secret: token.into(), hint: Hint::Access }
    }
}

impl From<&RefreshToken> for Revocable {
    fn from(token: &RefreshToken) -> Self {
        Self { secret: token.into(), hint: Hint::Refresh }
    }
}

impl Revoker {
    /// Revokes as the client of `request`; what must be told later stands in `queue`, and what stands there from
    /// earlier is told now. The task ends with this.
    pub fn start(request: Arc<TokenRequest>, queue: Arc<dyn Store>) -> Self {
        let (waiting, gate) = (Mutex::default(), OnceLock::new());
        let inner = Inner { request, queue, waiting, queued: Notify::new(), gate };
        let inner = Arc::new(inner);
        let task = tokio::spawn(tend(inner.clone())).abort_handle();
        Self { inner, task }
    }

    /// From now on it keeps to the pauses that the server asks of this token's client, and tells of those that it is asked
    /// for itself (HARD 16). A logout does not wait for them.
    pub fn keep_to_pauses_of(&self, handle: &Handle) {
        self.keep_to_pauses_at(handle.entry().gate.clone());
    }

    pub(crate) fn keep_to_pauses_at(&self, gate: Arc<Gate>) {
        // The first one stays: who has one client has one gate.
        let _ = self.inner.gate.set(gate);
    }

    /// Tells the server of each token, or sees to it that it is told.
    ///
    /// # Errors
    /// When the server cannot be told now and the queue cannot be written either.
    pub async fn revoke(&self, tokens: &[Revocable]) -> Result<Revoked, Failure> {
        let mut all = Revoked::Nothing;
        for token in tokens {
            all = all.and(self.inner.revoke_or_queue(token).await?);
        }
        Ok(all)
    }

    /// How many tokens wait to be revoked.
    pub fn waiting(&self) -> usize {
        self.inner.waiting().len()
    }
}

impl Drop for Revoker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Revoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revoker({:?})", self.inner.request.client)
    }
}

impl Inner {
    async fn revoke_or_queue(&self, token: &Revocable) -> Result<Revoked, Failure> {
        if self.held_back().is_some() {
            self.queue(token).await?;
            return Ok(Revoked::Queued);
        }
        match self.revoke_in_time(token).await {
            Ok(revoked) => Ok(revoked),
            Err(failure) => {
                tracing::warn!(client = %self.request.client.id, %failure, "a token is revoked later");
                self.queue(token).await?;
                Ok(Revoked::Queued)
            }
        }
    }

    async fn revoke_in_time(&self, token: &Revocable) -> Result<Revoked, Failure> {
        tokio::select! {
            biased;
            revoked = self.revoke(token) => revoked,
            () = self.clock().sleep(PATIENCE) => Err(Failure::Unreachable(FetchError::Timeout {
                url: self.request.metadata.issuer().to_string(),
                after: PATIENCE,
            })),
        }
    }

    async fn revoke(&self, token: &Revocable) -> Result<Revoked, Failure> {
        let Some(endpoint) = self.endpoint().await? else { return Ok(Revoked::NotOffered) };
        let Some(text) = token.secret.expose_text() else { return Ok(Revoked::Nothing) };
        let fields = vec![("token", text.to_owned()), ("token_type_hint", token.hint.as_str().to_owned())];
        let form = Form::of(fields);
        let issuer = self.request.metadata.issuer();
        let answer = self.request.client.post(issuer, &endpoint, &form).await?.answer;
        if answer.status.is_success() {
            return Ok(Revoked::Done);
        }
        let error: OAuthError = serde_json::from_slice(&answer.body).unwrap_or_default();
        match error.error.as_str() {
            // RFC 7009 §2.2.1: it does not revoke this kind of token.
            "unsupported_token_type" => Ok(Revoked::NotOffered),
            _ => {
                let retry_after = answer.retry_after(self.clock().unix_ms());
                // It is this client that asks too often, whatever it asks for.
                if answer.status == StatusCode::TOO_MANY_REQUESTS
                    && let (Some(gate), Some(pause)) = (self.gate.get(), retry_after)
                {
                    gate.hold_back(pause, self.clock().monotonic());
                }
                Err(Failure::Unavailable { status: answer.status.as_u16(), retry_after })
            }
        }
    }

    /// How long the server is to be left alone.
    fn held_back(&self) -> Option<Duration> {
        self.gate.get()?.held_back(self.clock().monotonic())
    }

    /// Where; `None`: the server's metadata names no such place.
    async fn endpoint(&self) -> Result<Option<Endpoint>, Failure> {
        let metadata = self.request.metadata.get().await?;
        match metadata.revocation_endpoint() {
            Ok(endpoint) => Ok(Some(endpoint)),
            Err(MetadataError::Missing { .. }) => Ok(None),
            Err(error) => {
                tracing::warn!(%error, "tokens are not revoked");
                Ok(None)
            }
        }
    }

    async fn queue(&self, token: &Revocable) -> Result<(), Failure> {
        let place = self.place(token);
        let expires_at = self.clock().unix_seconds() + LONGEST.as_secs();
        let put = self.queue.put(&place, token.pack(), Some(expires_at), Expected::NewLogin);
        in_time(self.clock(), put).await??;
        self.wait_for(place);
        self.queued.notify_one();
        Ok(())
    }

    fn wait_for(&self, place: Place) {
        let mut waiting = self.waiting();
        if !waiting.contains(&place) {
            waiting.push(place);
        }
    }

    fn place(&self, token: &Revocable) -> Place {
        Place {
            tenant: None,
            issuer: self.request.metadata.issuer().clone(),
            subject: None,
            client: self.request.client.id.clone(),
            purpose: Purpose::Revocation,
            key: *Fingerprint::of(token.secret.expose_text().unwrap_or_default()).as_bytes(),
        }
    }

    /// What an earlier process left. A store that cannot list keeps what it has for nobody: it expires there.
    async fn find_waiting(&self) {
        let found = match self.queue.list(Purpose::Revocation).await {
            Ok(found) => found,
            Err(StoreError::CannotList) => return,
            Err(error) => {
                tracing::warn!(%error, "tokens that an earlier process left to be revoked are not found");
                return;
            }
        };
        let is_ours = |place: &Place| {
            place.issuer == *self.request.metadata.issuer() && place.client == self.request.client.id
        };
        found.places.into_iter().filter(is_ours).for_each(|place| self.wait_for(place));
    }

    /// Tells the server of all that waits; what it asked to wait before it is told again, if it did. A server that does
    /// not answer, or asks to be left alone, is not asked for the others.
    async fn work_off(&self) -> Option<Duration> {
        let places = self.waiting().clone();
        for place in places {
            if let Some(left) = self.held_back() {
                return Some(left);
            }
            let outcome = match self.queue.get(&place).await {
                Ok(Some(record)) => match Revocable::unpack(&record.secret) {
                    Some(token) => self.revoke_in_time(&token).await.map(drop),
                    None => Ok(()),
                },
                // Nobody can read it any more.
                Ok(None) | Err(StoreError::Damaged { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            };
            match outcome {
                Ok(()) if self.queue.remove(&place).await.is_ok() => {
                    self.waiting().retain(|other| *other != place);
                }
                Ok(()) => {}
                Err(failure) if failure.asked_pause().is_some() => return failure.asked_pause(),
                Err(Failure::Unreachable(_) | Failure::Discovery(_)) => return None,
                // This one alone, perhaps.
                Err(_) => {}
            }
        }
        None
    }

    fn clock(&self) -> &dyn Clock {
        &*self.request.client.clock
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Place>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends with its owner, who aborts it.
async fn tend(inner: Arc<Inner>) {
    inner.find_waiting().await;
    let mut pause = PAUSES.0;
    loop {
        if inner.waiting().is_empty() {
            inner.queued.notified().await;
            pause = PAUSES.0;
        } else {
            let asked = inner.work_off().await.unwrap_or_default();
            if inner.waiting().is_empty() {
                continue;
            }
            pause = pause.max(asked).min(PAUSES.1);
        }
        inner.clock().sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

impl Revocable {
    fn pack(&self) -> SecretBytes {
        let kind = match self.hint {
            Hint::Access => b'a',
            Hint::Refresh => b'r',
        };
        let token = self.secret.expose();
        let mut bytes = Vec::with_capacity(1 + token.len());
        bytes.push(kind);
        bytes.extend_from_slice(token);
        SecretBytes::new(bytes)
    }

    fn unpack(bytes: &SecretBytes) -> Option<Self> {
        let (kind, token) = bytes.expose().split_first()?;
        let hint = match kind {
            b'a' => Hint::Access,
            b'r' => Hint::Refresh,
            _ => return None,
        };
        Some(Self { secret: SecretBytes::new(token.to_vec()), hint })
    }
}

impl Hint {
    fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access_token",
            Self::Refresh => "refresh_token",
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OAuthError {
    error: String,
}

#[cfg(test)]
mod tests;
