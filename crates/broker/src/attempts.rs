//! Attempts to sign in, until the issuer's answer comes: each is taken up once, in the browser that began it (SPEC CL-5).

use std::fmt;
use std::sync::Arc;

use bearward_store::{Expected, Place, Purpose, SecretBytes, Store, StoreError};
use bearward_token::{Clock, Fingerprint, Issuer};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::attempt::{Attempt, LIFE};
use crate::packed::packed;
use crate::problem::{Problem, ProblemKind};
use crate::random::Secret;

/// What stands in the place of an attempt that was taken up.
const SPENT: &[u8] = b"spent";

/// All attempts of one application.
#[derive(Debug)]
pub struct Attempts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    client: String,
}

/// An attempt as it is kept, in the order of its fields.
#[derive(Serialize, Deserialize)]
struct Kept {
    issuer: String,
    nonce: String,
    verifier: String,
    return_to: String,
    /// Hash of the cookie of the browser that began it.
    browser: String,
    began_ms: u64,
}

impl Attempts {
    /// Of the application that is `client` at its issuer.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, client: impl Into<String>) -> Self {
        Self { store, clock, client: client.into() }
    }

    /// Keeps one that a browser with this cookie has begun.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn keep(&self, attempt: &Attempt, browser: &Secret) -> Result<(), StoreError> {
        let began_ms = self.clock.unix_ms();
        let kept = Kept {
            issuer: attempt.issuer.to_string(),
            nonce: attempt.nonce.expose().to_owned(),
            verifier: attempt.verifier.expose().to_owned(),
            return_to: attempt.return_to.to_string(),
            browser: browser.fingerprint().to_hex(),
            began_ms,
        };
        let texts = [&kept.issuer, &kept.nonce, &kept.verifier, &kept.return_to, &kept.browser];
        let secret = packed(&kept, texts.map(String::len).iter().sum());
        let place = self.place(&attempt.issuer, &attempt.state);
        self.store.put(&place, secret, Some(self.ends(began_ms)), Expected::Absent).await.map(drop)
    }

    /// Takes up the attempt that `state` belongs to, once and never again.
    ///
    /// # Errors
    /// When this browser began none with it, or it was taken up before, or too long ago; or when the store fails.
    pub async fn take(&self, issuer: &Issuer, state: &str, browser: &Secret) -> Result<Attempt, Problem> {
        let mismatch = || Problem::new(ProblemKind::StateMismatch);
        let state = Secret::parse(state).ok_or_else(mismatch)?;
        let place = self.place(issuer, &state);
        let record = self.store.get(&place).await.map_err(|error| unavailable(&error))?;
        let record = record.ok_or_else(mismatch)?;
        let kept: Kept = serde_json::from_slice(record.secret.expose()).map_err(|_| mismatch())?;
        if kept.browser != browser.fingerprint().to_hex() {
            // Left for who began it: a stranger's answer must not end a login.
            return Err(mismatch());
        }
        let spent = SecretBytes::new(SPENT.to_vec());
        let ends = Some(self.ends(kept.began_ms));
        match self.store.put(&place, spent, ends, Expected::Version(record.version)).await {
            Ok(_) => {}
            // Another request was faster.
            Err(StoreError::Conflict { .. } | StoreError::LoggedOut { .. }) => return Err(mismatch()),
            Err(error) => return Err(unavailable(&error)),
        }
        if self.clock.unix_ms() >= self.ends(kept.began_ms) * 1000 {
            return Err(Problem::new(ProblemKind::StateExpired));
        }
        kept.into_attempt(state).ok_or_else(mismatch)
    }

    /// In seconds since the Unix epoch.
    fn ends(&self, began_ms: u64) -> u64 {
        began_ms / 1000 + LIFE.as_secs()
    }

    fn place(&self, issuer: &Issuer, state: &Secret) -> Place {
        let key = Fingerprint::of(&format!("attempt {}", state.expose()));
        Place {
            tenant: None,
            issuer: issuer.clone(),
            subject: None,
            client: self.client.clone(),
            purpose: Purpose::Session,
            key: *key.as_bytes(),
        }
    }
}

impl Kept {
    fn into_attempt(mut self, state: Secret) -> Option<Attempt> {
        let secret = |text: &mut String| Secret::parse(&Zeroizing::new(std::mem::take(text)));
        Some(Attempt {
            nonce: secret(&mut self.nonce)?,
            verifier: secret(&mut self.verifier)?,
            issuer: self.issuer.parse().ok()?,
            return_to: self.return_to.parse().ok()?,
            state,
        })
    }
}

fn unavailable(error: &StoreError) -> Problem {
    tracing::warn!(%error, "an attempt to sign in cannot be read");
    Problem::new(ProblemKind::Unavailable)
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.nonce.zeroize();
        self.verifier.zeroize();
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept(of {})", self.issuer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use bearward_store::Memory;
    use bearward_token::ManualClock;

    use super::*;
    use crate::return_to::ReturnTo;

    struct Scene {
        clock: Arc<ManualClock>,
        attempts: Attempts,
        attempt: Attempt,
        browser: Secret,
    }

    impl Scene {
        async fn new() -> Self {
            let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
            let attempts = Attempts::new(Arc::new(Memory::new(100, clock.clone())), clock.clone(), "app");
            let to: ReturnTo = "/notes?id=1".parse().unwrap();
            let attempt = Attempt::begin("https://idp.example".parse().unwrap(), to).unwrap();
            let browser = Secret::new().unwrap();
            attempts.keep(&attempt, &browser).await.unwrap();
            Self { clock, attempts, attempt, browser }
        }

        async fn take(&self, state: &str, browser: &Secret) -> Result<Attempt, ProblemKind> {
            let taken = self.attempts.take(&self.attempt.issuer, state, browser).await;
            taken.map_err(|problem| problem.kind)
        }
    }

    // SPEC CL-5
    #[tokio::test]
    async fn an_attempt_is_taken_up_once_by_the_browser_that_began_it() {
        let scene = Scene::new().await;
        let state = scene.attempt.state.expose();
        let stranger = Secret::new().unwrap();
        assert_eq!(scene.take(state, &stranger).await, Err(ProblemKind::StateMismatch));
        assert_eq!(scene.take(state, &scene.browser).await, Ok(scene.attempt.clone()));
        assert_eq!(scene.take(state, &scene.browser).await, Err(ProblemKind::StateMismatch), "replayed");
    }

    // SPEC CL-5
    #[tokio::test]
    async fn a_state_that_nobody_was_given_takes_up_nothing() {
        let scene = Scene::new().await;
        for state in ["", "x", Secret::new().unwrap().expose()] {
            assert_eq!(scene.take(state, &scene.browser).await, Err(ProblemKind::StateMismatch), "{state}");
        }
    }

    // SPEC CL-5
    #[tokio::test]
    async fn of_two_answers_at_once_one_is_taken_up() {
        let scene = Scene::new().await;
        let state = scene.attempt.state.expose();
        let both =
            futures_util::future::join(scene.take(state, &scene.browser), scene.take(state, &scene.browser));
        let (one, other) = both.await;
        assert!(one.is_ok() != other.is_ok());
    }

    #[tokio::test]
    async fn a_login_that_takes_too_long_is_over() {
        let scene = Scene::new().await;
        scene.clock.advance(LIFE);
        let late = scene.take(scene.attempt.state.expose(), &scene.browser).await;
        assert!(matches!(late, Err(ProblemKind::StateExpired | ProblemKind::StateMismatch)));
    }

    // HARD 20
    #[tokio::test]
    async fn nothing_of_an_attempt_is_shown() {
        let scene = Scene::new().await;
        let shown = format!("{:?} {:?}", scene.attempts, scene.attempt);
        let secrets = [&scene.attempt.state, &scene.attempt.nonce, &scene.attempt.verifier, &scene.browser];
        assert!(secrets.iter().all(|secret| !shown.contains(secret.expose())), "{shown}");
    }
}
