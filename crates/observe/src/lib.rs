//! What Bearward lets its operator see: events, metrics, health. Never a token.
//!
//! One [`Observer`] is made at start and handed down. A crate says *what happened* as an [`Event`]; this
//! crate alone decides which counter that moves, how the log line reads, and who follows it live.

pub mod audit;
pub mod event;
mod follower;
pub mod health;
pub mod metrics;

pub use audit::AuditTrail;
pub use event::{Denial, Event, Rejection};
pub use health::{Condition, Health, Probe, Report};
pub use metrics::Metrics;

use std::sync::Arc;

pub use follower::Follower;
use follower::Followers;
pub use metrics::Hits;

/// Takes events; counts them, logs them, shows them to followers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Observer {
    metrics: Arc<Metrics>,
    followers: Followers,
}

impl Observer {
    /// An observer with all counters at zero and no follower.
    pub fn new() -> Self {
        Self { metrics: Arc::new(Metrics::new()), followers: Followers::default() }
    }

    /// Something happened.
    pub fn emit(&self, event: Event) {
        self.metrics.count(&event);
        event.log();
        self.followers.tell(|| event);
    }

    /// A provider's token came from memory. The same as [`Event::TokenStoreHit`], for who has looked its counter up: it
    /// happens with every request that leaves.
    pub fn hit(&self, hits: &Hits) {
        hits.count();
        tracing::trace!(event = "token_store_hit", provider = hits.provider());
        self.followers.tell(|| Event::TokenStoreHit { provider: hits.provider_shared() });
    }

    /// The counters behind `/metrics`.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Every event from now on; a slow follower loses the oldest, the sender never waits.
    pub fn follow(&self) -> Follower {
        self.followers.follow()
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self::new()
    }
}
