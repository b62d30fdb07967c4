//! A manager, a scripted grant, and a clock.

pub(super) use std::collections::VecDeque;
pub(super) use std::sync::atomic::{AtomicU64, Ordering};
pub(super) use std::sync::{Arc, Mutex};
pub(super) use std::time::Duration;

pub(super) use bearward_observe::{Condition, Observer, Probe};
pub(super) use bearward_token::{AccessToken, Clock, Fingerprint, ManualClock};
pub(super) use tokio::sync::Notify;

pub(super) use crate::entry::FORCE_COOLDOWN;
pub(super) use crate::error::{Failure, SupplyError};
pub(super) use crate::grant::{Grant, Granted, Requesting};
pub(super) use crate::handle::{Handle, Wanted};
pub(super) use crate::keeper::{REFUSED_PAUSE, WATCH};
pub(super) use crate::key::{KeyParts, TokenKey};
pub(super) use crate::manager::TokenManager;

pub(super) const S: Duration = Duration::from_secs(1);
pub(super) const LIFE: Duration = Duration::from_secs(3600);

/// Answers as it is told, or with `token-N` for an hour; counts.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) asked: AtomicU64,
    pub(super) next: Mutex<VecDeque<Result<(&'static str, Duration), Failure>>>,
    pub(super) otherwise: Mutex<Option<Failure>>,
    /// Requests hang until this is released.
    pub(super) hold: Mutex<Option<Arc<Notify>>>,
    pub(super) version: Mutex<u64>,
}

impl Script {
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn then(&self, answer: Result<(&'static str, Duration), Failure>) {
        self.next.lock().unwrap().push_back(answer);
    }

    pub(super) fn fail_always(&self, failure: Option<Failure>) {
        *self.otherwise.lock().unwrap() = failure;
    }
}

impl Grant for Script {
    fn request(&self) -> Requesting<'_> {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let hold = self.hold.lock().unwrap().clone();
        Box::pin(async move {
            if let Some(hold) = hold {
                hold.notified().await;
            }
            if let Some(scripted) = self.next.lock().unwrap().pop_front() {
                return scripted.map(|(text, lifetime)| Granted::new(AccessToken::new(text), lifetime));
            }
            match self.otherwise.lock().unwrap().clone() {
                Some(failure) => Err(failure),
                None => Ok(Granted::new(AccessToken::new(format!("token-{nth}")), LIFE)),
            }
        })
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        Some(Fingerprint::of(&self.version.lock().unwrap().to_string()))
    }
}

pub(super) struct Scene {
    pub(super) clock: Arc<ManualClock>,
    pub(super) script: Arc<Script>,
    pub(super) manager: TokenManager,
    pub(super) handle: Handle,
}

impl Scene {
    pub(super) fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let script = Arc::new(Script::default());
        let manager = TokenManager::new(clock.clone(), Observer::new(), 7);
        let handle = manager.handle("notes", &key("notes"), script.clone());
        Self { clock, script, manager, handle }
    }

    pub(super) async fn token(&self) -> String {
        self.try_token().await.unwrap()
    }

    pub(super) async fn try_token(&self) -> Result<String, SupplyError> {
        let supplied = self.handle.ensure_access(&Wanted::default()).await?;
        Ok(supplied.token().expose().to_owned())
    }

    /// Moves time in small steps, letting every task run in between.
    pub(super) async fn pass(&self, time: Duration) {
        let step = (time / 200).max(Duration::from_millis(10));
        let mut passed = Duration::ZERO;
        while passed < time {
            self.clock.advance(step);
            passed += step;
            settle().await;
        }
    }
}

pub(super) fn key(audience: &str) -> TokenKey {
    TokenKey::from(KeyParts {
        tenant: None,
        issuer: "https://as.example".parse().unwrap(),
        client: "gateway".into(),
        client_auth: "client_secret_basic",
        credential: None,
        token_endpoint: None,
        grant: "client_credentials",
        subject_token: None,
        scopes: Default::default(),
        audience: Some(audience.into()),
        resource: None,
        extra: Vec::new(),
    })
}

/// Lets every ready task run.
pub(super) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

pub(super) fn down() -> Failure {
    Failure::Unavailable { status: 503, retry_after: None }
}

pub(super) fn refused() -> Failure {
    Failure::Refused { code: "invalid_client".into(), advice: "" }
}
