//! What came and was not taken yet: for who waits, or for the next who asks for the same (HARD 3).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bearward_token::expiry::Moment;
use bearward_token::{AccessToken, Clock, Fingerprint};

use crate::grant::Granted;
use crate::target::Target;

/// A token that nobody took is handed to the next who asks, if it lives for so long.
const WORTH_KEEPING: Duration = Duration::from_secs(60);

/// By what it was asked for.
#[derive(Default)]
pub(super) struct Unclaimed(Mutex<HashMap<Target, Came>>);

/// What a request brought.
pub(super) struct Came {
    pub(super) granted: Granted,
    /// When the request left.
    pub(super) sent: Moment,
    /// The login it is of, by what that began with.
    pub(super) login: Fingerprint,
}

impl Unclaimed {
    pub(super) fn keep(&self, target: Target, came: Came, clock: &dyn Clock) {
        let mut all = self.all();
        // Nobody may ever come for those.
        all.retain(|_, came| !came.left(clock).is_zero());
        all.insert(target, came);
    }

    pub(super) fn take(&self, target: &Target) -> Option<Came> {
        self.all().remove(target)
    }

    pub(super) fn take_all(&self) -> Vec<AccessToken> {
        self.all().drain().map(|(_, came)| came.granted.access_token).collect()
    }

    /// Whether one is there that came a while ago and lives for long enough; it then says what is left of it. One that
    /// does not is dropped.
    pub(super) fn still_has(&self, target: &Target, clock: &dyn Clock) -> bool {
        let mut all = self.all();
        let still = all.remove(target).filter(|came| came.left(clock) > WORTH_KEEPING);
        let Some(came) = still else { return false };
        all.insert(target.clone(), came.counted_from_now(clock));
        true
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Target, Came>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Came {
    fn left(&self, clock: &dyn Clock) -> Duration {
        self.sent.plus(self.granted.lifetime).left(clock)
    }

    fn counted_from_now(mut self, clock: &dyn Clock) -> Self {
        self.granted.lifetime = self.left(clock);
        if let Some(id) = &mut self.granted.id_token {
            id.lifetime = self.sent.plus(id.lifetime).left(clock);
        }
        Self { sent: Moment::now(clock), ..self }
    }
}
