//! Counters that are looked up once, for what happens with every request.

use prometheus_client::metrics::counter::Counter;

/// One counter.
#[derive(Debug, Clone)]
pub struct Tally(Counter);

impl Tally {
    pub(crate) fn new(counter: Counter) -> Self {
        Self(counter)
    }

    pub(crate) fn count(&self) {
        self.0.inc();
    }
}
