//! Tokens that say nothing by themselves: their issuer is asked what they are, once for all who present the same one.
//!
//! ```text
//! token ── refused a moment ago ──► refused            (nobody is asked)
//!       ├─ being asked about ─────► waits for that answer
//!       └─ otherwise ─ room? ─────► one question, in a task of its own
//! ```
//! A caller that goes away does not end the question; others may wait for its answer.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bearward_observe::{Condition, Rejection};
use bearward_token::{AccessToken, Clock, Fingerprint, Issuer};
use futures_util::FutureExt;
use moka::policy::EvictionPolicy;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, watch};

use crate::bearer::Unverified;

/// Most questions at once to one issuer.
const MOST_QUESTIONS: usize = 32;
/// Most tokens that wait for an answer, those included; further callers are told to come back.
const MOST_WAITING: usize = 512;
/// How long a caller waits.
const CALLER_PATIENCE: Duration = Duration::from_secs(10);
/// One question, whatever the [`Describe`] does.
const QUESTION: Duration = Duration::from_secs(6);
/// How long a refusal is remembered, and of how many tokens.
const REFUSED_FOR: Duration = Duration::from_secs(10);
const MOST_REFUSED: u64 = 10_000;

/// Asks an issuer about a token: by introspection, or in a way of its own.
pub trait Describe: fmt::Debug + Send + Sync + 'static {
    /// One question. Bounded in size by the implementation.
    fn describe(&self, token: &AccessToken) -> Describing<'_>;
}

/// What [`Describe::describe`] hands out.
pub type Describing<'a> = Pin<Box<dyn Future<Output = Result<Described, DescribeError>> + Send + 'a>>;

/// What an issuer says of a token.
#[derive(Debug, Clone, PartialEq)]
pub enum Described {
    /// It is live; what a JWT would claim.
    Active(Map<String, Value>),
    /// It is not, or never was.
    Inactive,
}

/// Why nothing can be said, in words for the operator. Holds neither a token nor a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DescribeError(pub String);

/// The opaque tokens of one issuer.
#[derive(Debug)]
pub struct OpaqueTokens {
    /// What its tokens begin with; empty: anything that is no JWT.
    prefixes: Vec<String>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    issuer: Issuer,
    describe: Arc<dyn Describe>,
    clock: Arc<dyn Clock>,
    room: Semaphore,
    questions: Mutex<HashMap<Fingerprint, watch::Receiver<Answer>>>,
    /// Until when, on the monotonic clock.
    refused: moka::sync::Cache<Fingerprint, Duration>,
    failure: Mutex<Option<String>>,
}

/// `None` while the question is open.
type Answer = Option<Result<Described, DescribeError>>;

impl OpaqueTokens {
    /// `prefixes` tell an issuer's tokens from those of another; empty: all that are no JWTs.
    pub fn new(
        issuer: Issuer,
        prefixes: Vec<String>,
        describe: Arc<dyn Describe>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let refused = moka::sync::Cache::builder().max_capacity(MOST_REFUSED).time_to_live(REFUSED_FOR);
        let shared = Shared {
            issuer,
            describe,
            clock,
            room: Semaphore::new(MOST_QUESTIONS),
            questions: Mutex::default(),
            // By age alone: garbage that is sent often must not keep its place for ever.
            refused: refused.eviction_policy(EvictionPolicy::lru()).build(),
            failure: Mutex::default(),
        };
        Self { prefixes, shared: Arc::new(shared) }
    }

    /// How well a token fits, by the length of the prefix; `None`: not at all.
    pub(crate) fn fits(&self, token: Unverified<'_>) -> Option<usize> {
        if self.prefixes.is_empty() {
            return Some(0);
        }
        let fitting = self.prefixes.iter().filter(|prefix| token.as_str().starts_with(prefix.as_str()));
        fitting.map(String::len).max()
    }

    /// The claims of a live token.
    ///
    /// # Errors
    /// [`Rejection::Inactive`], or [`Rejection::IntrospectionUnavailable`] when the issuer cannot be asked.
    pub(crate) async fn claims(&self, token: Unverified<'_>) -> Result<Map<String, Value>, Rejection> {
        let key = Fingerprint::of(token.as_str());
        if self.shared.refused.get(&key).is_some_and(|until| self.shared.clock.monotonic() < until) {
            return Err(Rejection::Inactive);
        }
        let mut answer = self.ask(key, token).ok_or(Rejection::IntrospectionUnavailable)?;
        let answered = tokio::select! {
            answered = answer.wait_for(Option::is_some) => answered.ok().and_then(|answer| answer.clone()),
            () = self.shared.clock.sleep(CALLER_PATIENCE) => None,
        };
        match answered {
            Some(Ok(Described::Active(claims))) => Ok(claims),
            Some(Ok(Described::Inactive)) => Err(Rejection::Inactive),
            Some(Err(_)) | None => Err(Rejection::IntrospectionUnavailable),
        }
    }

    /// For readiness.
    pub fn condition(&self) -> Condition {
        let failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match failure {
            None => Condition::Ready,
            Some(reason) => Condition::Degraded {
                reason: format!("tokens seen within a minute pass; others cannot be asked about: {reason}"),
            },
        }
    }

    /// Whose tokens they are.
    pub fn issuer(&self) -> &Issuer {
        &self.shared.issuer
    }

    /// The answer to come; `None` when too many wait already.
    fn ask(&self, key: Fingerprint, token: Unverified<'_>) -> Option<watch::Receiver<Answer>> {
        let mut questions = self.shared.questions();
        if let Some(answer) = questions.get(&key) {
            return Some(answer.clone());
        }
        if questions.len() >= MOST_WAITING {
            return None;
        }
        let (answering, answer) = watch::channel(None);
        questions.insert(key, answer.clone());
        drop(questions);
        let token = AccessToken::new(token.as_str());
        tokio::spawn(answer_for(self.shared.clone(), key, token, answering));
        Some(answer)
    }
}

impl Shared {
    fn questions(&self) -> MutexGuard<'_, HashMap<Fingerprint, watch::Receiver<Answer>>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn question(&self, token: &AccessToken) -> Result<Described, DescribeError> {
        let Ok(_room) = self.room.acquire().await else {
            return Err(DescribeError("it is shutting down".into()));
        };
        // A fault in asking is a failure and must not leave the question open for ever.
        let asking = AssertUnwindSafe(async { self.describe.describe(token).await }).catch_unwind();
        tokio::select! {
            described = asking => described.unwrap_or_else(|_| Err(DescribeError("a fault of Bearward's own".into()))),
            () = self.clock.sleep(QUESTION) => Err(DescribeError(format!("no answer within {} s", QUESTION.as_secs()))),
        }
    }
}

async fn answer_for(
    shared: Arc<Shared>,
    key: Fingerprint,
    token: AccessToken,
    answering: watch::Sender<Answer>,
) {
    let described = shared.question(&token).await;
    let failure = described.as_ref().err().map(ToString::to_string);
    if let Some(failure) = &failure {
        tracing::warn!(issuer = %shared.issuer, failure, "a token could not be asked about");
    }
    *shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    if described == Ok(Described::Inactive) {
        shared.refused.insert(key, shared.clock.monotonic() + REFUSED_FOR);
    }
    // First nobody finds the question any more, then it is answered: who comes later asks anew or is cached.
    shared.questions().remove(&key);
    answering.send_replace(Some(described));
}

#[cfg(test)]
mod tests;
