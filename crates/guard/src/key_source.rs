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
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bearward_observe::Condition;
use bearward_token::{Clock, Issuer};
use futures_util::FutureExt;
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
    /// The number of the last fetch that has ended.
    ended: watch::Sender<u64>,
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

/// Fetches are numbered from 1 in the order they begin.
#[derive(Debug)]
struct Demand {
    /// When an unknown `kid` last caused a fetch, on the monotonic clock.
    last: Option<Duration>,
    /// The last fetch that has begun.
    begun: u64,
    /// The fetch that whoever needs newer keys waits for. It begins after they asked, so that its answer is not
    /// older than their question.
    due: u64,
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
            demand: Mutex::new(Demand { last: None, begun: 0, due: 1 }),
            wanted: Notify::new(),
            ended: watch::channel(0).0,
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
        let due = self.shared.claim_fetch()?;
        let mut ended = self.shared.ended.subscribe();
        let patience = self.shared.clock.sleep(CALLER_PATIENCE);
        tokio::select! {
            answer = ended.wait_for(|number| *number >= due) => answer.is_ok().then(|| self.snapshot()),
            () = patience => None,
        }
    }

    /// For readiness (HARD 18, 22).
    pub fn condition(&self) -> Condition {
        let now = self.snapshot();
        match (now.generation, &now.failure) {
            (1.., None) if now.keys.is_empty() => {
                Condition::Down { reason: "it publishes no key that can verify a signature".into() }
            }
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
    /// The number of the fetch to wait for: one that is due already, or a new one if the cooldown allows it.
    fn claim_fetch(&self) -> Option<u64> {
        let now = self.clock.monotonic();
        let mut demand = self.demand();
        if demand.due > *self.ended.borrow() {
            return Some(demand.due);
        }
        if demand.last.is_some_and(|last| now < last + DEMAND_COOLDOWN) {
            return None;
        }
        demand.last = Some(now);
        demand.due = demand.begun + 1;
        let due = demand.due;
        drop(demand);
        self.wanted.notify_one();
        Some(due)
    }

    fn begin(&self) -> u64 {
        let mut demand = self.demand();
        demand.begun += 1;
        demand.begun
    }

    /// Whether somebody waits for a fetch that has not begun.
    fn is_due(&self) -> bool {
        let demand = self.demand();
        demand.due > demand.begun
    }

    fn demand(&self) -> MutexGuard<'_, Demand> {
        self.demand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what an attempt brought; returns the pause until the next one.
    fn settle(&self, outcome: Result<LoadedKeys, LoadError>, failures: &mut u32) -> Duration {
        let before = self.current.load_full();
        match outcome {
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
        }
    }
}

async fn refresh_for_ever(shared: Arc<Shared>, loader: Arc<dyn KeyLoader>) {
    let mut failures = 0;
    loop {
        let number = shared.begin();
        // A loader that panics must not take the task along: no key would ever be fetched again.
        let loading = AssertUnwindSafe(async { loader.load().await }).catch_unwind();
        let outcome = loading.await.unwrap_or_else(|_| Err(LoadError("a fault of Bearward's own".into())));
        let pause = shared.settle(outcome, &mut failures);
        shared.ended.send_replace(number);
        let mut timer = shared.clock.sleep(pause);
        // A notice may be left over from a fetch that has begun since.
        while !shared.is_due() {
            tokio::select! {
                () = &mut timer => break,
                () = shared.wanted.notified() => {}
            }
        }
    }
}
