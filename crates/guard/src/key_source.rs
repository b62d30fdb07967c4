//! Keeps one issuer's keys fresh, and asks for new ones no more often than is decent.
//!
//! All fetching happens in one task per issuer, so there is never more than one request under way:
//!
//! ```text
//! verify ── known kid ──────────────► keys in memory, no wait
//!        └─ unknown kid ─ demand ───► the task fetches once per cooldown; everybody waits for that one
//! task:  fetch ─ sleep (max-age, or backoff after a failure) ─ fetch …
//! ```
//!
//! A fetch that fails changes nothing: keys already known stay usable (SPEC JW-2, HARD 21, 22).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bearward_observe::Condition;
use bearward_token::{Clock, Issuer};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::keys::KeySet;

/// How often an unknown `kid` may cause a fetch.
pub const DEMAND_COOLDOWN: Duration = Duration::from_secs(30);
/// Bounds for the issuer's own cache headers (SPEC JW-3).
const REFRESH_BOUNDS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// Refresh interval when the issuer says nothing.
const REFRESH_DEFAULT: Duration = Duration::from_secs(300);
/// First and longest pause after a failed fetch.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Longest that a caller waits for a fetch under way.
const CALLER_PATIENCE: Duration = Duration::from_secs(5);

/// Where keys come from: discovery, a URL, a file.
pub trait KeyLoader: fmt::Debug + Send + Sync + 'static {
    /// One attempt. Bounded in time and size by the implementation.
    fn load(&self) -> Loading<'_>;
}

/// What [`KeyLoader::load`] hands out.
pub type Loading<'a> = Pin<Box<dyn Future<Output = Result<LoadedKeys, LoadError>> + Send + 'a>>;

/// Keys as they came.
#[derive(Debug, Clone)]
pub struct LoadedKeys {
    /// The keys.
    pub keys: KeySet,
    /// What the source's cache headers allow.
    pub max_age: Option<Duration>,
}

/// Why keys did not come, in words for the operator. Shown in `/readyz` and the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(pub String);

/// One issuer's keys. The task that refreshes them ends when this is dropped.
#[derive(Debug)]
pub struct KeySource {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    issuer: Issuer,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Snapshot>,
    demand: Mutex<Demand>,
    wanted: Notify,
    attempts: watch::Sender<u64>,
}

/// The keys at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The keys; empty before the first success.
    pub keys: KeySet,
    /// Rises whenever the keys change; never 0 once there are keys. What was verified under another
    /// generation must be verified again.
    pub generation: u64,
    /// Why the last attempt failed, if it did.
    failure: Option<String>,
}

#[derive(Debug)]
struct Demand {
    /// When an unknown `kid` last caused a fetch, on the monotonic clock.
    last: Option<Duration>,
    /// A fetch is due or under way; who needs keys may wait for it.
    pending: bool,
}

impl KeySource {
    /// Starts the task, which fetches at once. Must be called within a tokio runtime.
    pub fn start(issuer: Issuer, loader: Arc<dyn KeyLoader>, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared {
            issuer,
            clock,
            current: ArcSwap::from_pointee(Snapshot {
                keys: KeySet::default(),
                generation: 0,
                failure: None,
            }),
            demand: Mutex::new(Demand { last: None, pending: true }),
            wanted: Notify::new(),
            attempts: watch::channel(0).0,
        });
        let task = tokio::spawn(refresh_for_ever(shared.clone(), loader));
        Self { shared, task }
    }

    /// Whose keys these are.
    pub fn issuer(&self) -> &Issuer {
        &self.shared.issuer
    }

    /// The keys right now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.current.load_full()
    }

    /// The generation right now, without taking a share in the keys.
    pub fn generation(&self) -> u64 {
        self.shared.current.load().generation
    }

    /// Asks for newer keys because the ones at hand do not fit, and waits for the answer.
    ///
    /// Returns the keys after the fetch, or `None` when a fetch is not due yet (cooldown) or did not end
    /// within five seconds.
    pub async fn newer(&self) -> Option<Arc<Snapshot>> {
        let mut attempts = self.shared.attempts.subscribe();
        if !self.shared.claim_fetch() {
            return None;
        }
        let answered = attempts.changed();
        let patience = self.shared.clock.sleep(CALLER_PATIENCE);
        tokio::select! {
            answer = answered => answer.ok().map(|()| self.snapshot()),
            () = patience => None,
        }
    }

    /// For readiness (HARD 18, 22).
    pub fn condition(&self) -> Condition {
        let now = self.snapshot();
        match (now.generation, &now.failure) {
            (0, None) => Condition::Down { reason: "its keys have not arrived yet".into() },
            (0, Some(failure)) => {
                Condition::Down { reason: format!("its keys cannot be fetched: {failure}") }
            }
            (_, None) => Condition::Ready,
            (_, Some(failure)) => Condition::Degraded {
                reason: format!("known keys stay in use; newer ones cannot be fetched: {failure}"),
            },
        }
    }
}

impl Drop for KeySource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// True when the caller may wait for a fetch: one is pending, or the cooldown allows a new one.
    fn claim_fetch(&self) -> bool {
        let now = self.clock.monotonic();
        let mut demand = self.demand();
        if demand.pending {
            return true;
        }
        if demand.last.is_some_and(|last| now < last + DEMAND_COOLDOWN) {
            return false;
        }
        *demand = Demand { last: Some(now), pending: true };
        drop(demand);
        self.wanted.notify_one();
        true
    }

    fn demand(&self) -> MutexGuard<'_, Demand> {
        self.demand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what an attempt brought; returns the pause until the next one.
    fn settle(&self, outcome: Result<LoadedKeys, LoadError>, failures: &mut u32) -> Duration {
        let before = self.current.load_full();
        let pause = match outcome {
            Ok(loaded) => {
                *failures = 0;
                let changed = before.generation == 0 || !before.keys.is_same(&loaded.keys);
                let generation = before.generation + u64::from(changed);
                if changed {
                    tracing::info!(issuer = %self.issuer, keys = loaded.keys.len(), generation, "signing keys loaded");
                }
                self.current.store(Arc::new(Snapshot { keys: loaded.keys, generation, failure: None }));
                loaded.max_age.unwrap_or(REFRESH_DEFAULT).clamp(REFRESH_BOUNDS.0, REFRESH_BOUNDS.1)
            }
            Err(LoadError(failure)) => {
                let pause = RETRY.0.saturating_mul(1 << (*failures).min(6)).min(RETRY.1);
                *failures = failures.saturating_add(1);
                tracing::warn!(issuer = %self.issuer, failure, retry_s = pause.as_secs(), "signing keys not loaded");
                let kept = Snapshot::clone(&before);
                self.current.store(Arc::new(Snapshot { failure: Some(failure), ..kept }));
                pause
            }
        };
        self.demand().pending = false;
        self.attempts.send_modify(|attempts| *attempts += 1);
        pause
    }
}

async fn refresh_for_ever(shared: Arc<Shared>, loader: Arc<dyn KeyLoader>) {
    let mut failures = 0;
    loop {
        let outcome = loader.load().await;
        let pause = shared.settle(outcome, &mut failures);
        tokio::select! {
            () = shared.clock.sleep(pause) => {}
            () = shared.wanted.notified() => {}
        }
    }
}
