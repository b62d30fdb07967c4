//! Who asks for tokens: busy callers, rare ones, and crowds; and the destinations, which now and then refuse what they get.

use std::sync::Arc;
use std::time::Duration;

use bearward_supply::{Handle, Supplied, Wanted};
use bearward_token::Clock;
use fastrand::Rng;

use crate::chance::{Spell, during, hours, mins, pause, secs, spells};
use crate::clock::WorldClock;
use crate::oracle::Oracle;
use crate::server::Server;

/// How often a key is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rhythm {
    /// Every few seconds.
    Busy,
    /// A few times an hour.
    Rare,
    /// Twenty at once, every quarter of an hour.
    Bursts,
}

/// A destination: spells in which it refuses every token.
pub(crate) type Destination = Arc<Vec<Spell<()>>>;

/// The callers of one key.
pub(crate) struct Callers {
    pub(crate) key: usize,
    pub(crate) clock: WorldClock,
    pub(crate) oracle: Arc<Oracle>,
    pub(crate) server: Arc<Server>,
    pub(crate) handle: Arc<dyn Fn() -> Handle + Send + Sync>,
    pub(crate) destination: Destination,
    pub(crate) wanted: Wanted,
}

pub(crate) fn destination(random: &mut Rng, end: Duration) -> Destination {
    Arc::new(spells(random, end, hours(5), |random| (pause(random, mins(5)), ())))
}

impl Callers {
    pub(crate) async fn call_on(self, rhythm: Rhythm, mut random: Rng) {
        let (between, at_once) = match rhythm {
            Rhythm::Busy => (secs(8), 1),
            Rhythm::Rare => (mins(20), 1),
            Rhythm::Bursts => (mins(15), 20),
        };
        loop {
            self.clock.sleep(pause(&mut random, between)).await;
            // One in five hundred calls of a busy key finds that its token was revoked.
            let is_revoked = random.u32(0..500) == 0;
            futures_util::future::join_all((0..at_once).map(|_| self.call(is_revoked))).await;
        }
    }

    async fn call(&self, is_revoked: bool) {
        let handle = (self.handle)();
        let before = self.oracle.before(self.key);
        let Ok(supplied) = handle.ensure_access(&self.wanted).await else {
            return self.oracle.went_without(self.key, before, self.server.well_for());
        };
        self.oracle.handed_out(self.key, before, supplied.token().expose());
        if is_revoked || during(&self.destination, self.clock.monotonic()).is_some() {
            self.retry(&handle, &supplied).await;
        }
    }

    /// The destination said 401: one retry with another token, if there is one.
    async fn retry(&self, handle: &Handle, refused: &Supplied) {
        self.oracle.refused(self.key);
        let before = self.oracle.waiting();
        if let Ok(Some(other)) = handle.instead_of(refused, &self.wanted).await {
            self.oracle.handed_out(self.key, before, other.token().expose());
        }
    }
}
