//! What Bearward lets its operator see: events, metrics, health. Never a token.
//!
//! One [`Observer`] is made at start and handed down. A crate says *what happened* as an [`Event`]; this
//! crate alone decides which counter that moves, how the log line reads, and who follows it live.

pub mod audit;
pub mod event;
mod follower;
pub mod health;
pub mod metrics;
mod seconds;
mod tally;

pub use audit::AuditTrail;
pub use event::{Denial, Event, Rejection};
pub use health::{Condition, Health, Probe, Report};
pub use metrics::Metrics;
pub use tally::Tally;

use std::sync::Arc;
use std::time::Duration;

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

    /// Something happened that happens with every request, for who has looked its counter up; the event is made only where
    /// somebody sees it.
    pub fn tally(&self, tally: &Tally, event: impl FnOnce() -> Event) {
        tally.count();
        self.show(event);
    }

    /// A caller's token is good; this took so long. `event` is [`Event::AuthVerified`].
    pub fn verified(&self, took: Duration, event: impl FnOnce() -> Event) {
        self.metrics.observe_verified(took);
        self.show(event);
    }

    /// A request was answered; this is what the proxy itself cost. `event` is [`Event::Proxied`].
    pub fn proxied(&self, overhead: Duration, event: impl FnOnce() -> Event) {
        self.metrics.observe_overhead(overhead);
        self.show(event);
    }

    /// To the log, where the everyday is logged, and to followers.
    fn show(&self, event: impl FnOnce() -> Event) {
        if tracing::enabled!(tracing::Level::DEBUG) {
            let event = event();
            event.log();
            self.followers.tell(|| event);
        } else {
            self.followers.tell(event);
        }
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
