//! What Bearward lets its operator see: events, metrics, health. Never a token.
//!
//! One [`Observer`] is made at start and handed down. A crate says *what happened* as an [`Event`]; this
//! crate alone decides which counter that moves, how the log line reads, and who follows it live.

pub mod audit;
pub mod event;
pub mod health;
pub mod metrics;

pub use audit::AuditTrail;
pub use event::{Event, Rejection};
pub use health::{Condition, Health, Probe, Report};
pub use metrics::Metrics;

use std::sync::Arc;

use tokio::sync::broadcast;

/// How many events a live follower may lag behind before it loses the oldest.
const FOLLOWER_BACKLOG: usize = 256;

/// Takes events; counts them, logs them, shows them to followers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Observer {
    metrics: Arc<Metrics>,
    followers: broadcast::Sender<Event>,
}

impl Observer {
    /// An observer with all counters at zero and no follower.
    pub fn new() -> Self {
        Self { metrics: Arc::new(Metrics::new()), followers: broadcast::channel(FOLLOWER_BACKLOG).0 }
    }

    /// Something happened.
    pub fn emit(&self, event: Event) {
        self.metrics.count(&event);
        event.log();
        if self.followers.receiver_count() > 0 {
            // The last one may have gone meanwhile.
            let _ = self.followers.send(event);
        }
    }

    /// The counters behind `/metrics`.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Every event from now on; a slow follower loses the oldest, the sender never waits.
    pub fn follow(&self) -> broadcast::Receiver<Event> {
        self.followers.subscribe()
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self::new()
    }
}
