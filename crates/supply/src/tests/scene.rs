//! A manager, a scripted grant, and a clock.

pub(super) use std::collections::VecDeque;
pub(super) use std::sync::atomic::{AtomicU64, Ordering};
pub(super) use std::sync::{Arc, Mutex};
pub(super) use std::time::Duration;

pub(super) use bearward_observe::{Condition, Observer, Probe};
pub(super) use bearward_store::Store;
pub(super) use bearward_token::{AccessToken, Clock, Fingerprint, ManualClock};
pub(super) use tokio::sync::Notify;
pub(super) use tokio::task::JoinHandle;

pub(super) use crate::entry::{FORCE_COOLDOWN, Upkeep};
pub(super) use crate::error::{Failure, SupplyError};
pub(super) use crate::grant::{Ending, Grant, Granted, GrantedId, Requesting, Revoked};
pub(super) use crate::handle::{Handle, Wanted};
pub(super) use crate::keeper::REFUSED_PAUSE;
pub(super) use crate::key::{KeyParts, TokenKey};
pub(super) use crate::manager::TokenManager;

pub(super) const S: Duration = Duration::from_secs(1);
pub(super) const LIFE: Duration = Duration::from_secs(3600);

/// Answers as it is told, or with `token-N` for an hour; counts.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) asked: AtomicU64,
    /// Exactly these, before what else is scripted.
    pub(super) granted: Mutex<VecDeque<Granted>>,
    pub(super) next: Mutex<VecDeque<Result<(&'static str, Duration), Failure>>>,
    pub(super) otherwise: Mutex<Option<Failure>>,
    /// Requests hang until this is released.
    pub(super) hold: Mutex<Option<Arc<Notify>>>,
    pub(super) version: Mutex<u64>,
    /// What a logout ended, and what came after one and was discarded.
    pub(super) ended: Mutex<Vec<String>>,
}

impl Script {
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn then(&self, answer: Result<(&'static str, Duration), Failure>) {
        self.next.lock().unwrap().push_back(answer);
    }

    /// Requests hang until what this gives is notified.
    pub(super) fn hold(&self) -> Arc<Notify> {
        self.hold.lock().unwrap().insert(Arc::default()).clone()
    }

    /// And then they do not any more.
    pub(super) fn let_go(&self) {
        if let Some(hold) = self.hold.lock().unwrap().take() {
            hold.notify_waiters();
        }
    }

    pub(super) fn ended(&self) -> Vec<String> {
        std::mem::take(&mut *self.ended.lock().unwrap())
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
            if let Some(granted) = self.granted.lock().unwrap().pop_front() {
                return Ok(granted);
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

    fn end<'a>(&'a self, access: Option<&'a AccessToken>) -> Ending<'a> {
        let access = access.map_or("nothing", |access| access.expose());
        self.ended.lock().unwrap().push(format!("end {access}"));
        Box::pin(async { Ok(Revoked::Done) })
    }

    fn discard<'a>(&'a self, access: &'a AccessToken) -> Ending<'a> {
        self.ended.lock().unwrap().push(format!("discard {}", access.expose()));
        Box::pin(async { Ok(Revoked::Done) })
    }
}

pub(super) struct Scene {
    pub(super) clock: Arc<ManualClock>,
    pub(super) script: Arc<Script>,
    pub(super) observer: Observer,
    pub(super) manager: Arc<TokenManager>,
    pub(super) handle: Handle,
}

impl Scene {
    pub(super) fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let script = Arc::new(Script::default());
        Self::of(clock, script, Upkeep::Always, None)
    }

    /// One whose tokens outlive it.
    pub(super) fn shelved(clock: Arc<ManualClock>, store: Arc<dyn Store>) -> Self {
        Self::of(clock, Arc::default(), Upkeep::Always, Some(store))
    }

    pub(super) fn of(
        clock: Arc<ManualClock>,
        script: Arc<Script>,
        upkeep: Upkeep,
        store: Option<Arc<dyn Store>>,
    ) -> Self {
        let observer = Observer::new();
        let manager = TokenManager::new(clock.clone(), observer.clone(), 7);
        let handle = manager.shelved("notes", &key("notes"), script.clone(), upkeep, store);
        Self { clock, script, observer, manager: Arc::new(manager), handle }
    }

    pub(super) async fn token(&self) -> String {
        self.try_token().await.unwrap()
    }

    pub(super) async fn try_token(&self) -> Result<String, SupplyError> {
        let supplied = self.handle.ensure_access(&Wanted::default()).await?;
        Ok(supplied.token().expose().to_owned())
    }

    /// A caller that waits in a task of its own.
    pub(super) fn caller(&self) -> JoinHandle<Result<String, SupplyError>> {
        let handle = self.handle.clone();
        tokio::spawn(async move {
            handle.ensure_access(&Wanted::default()).await.map(|it| it.token().expose().to_owned())
        })
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
        audience: Some(audience.into()),
        ..KeyParts::new("https://as.example".parse().unwrap(), "gateway", "client_credentials")
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
