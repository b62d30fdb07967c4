//! Whose tokens end with a login: all entries that keep one of it, whichever of them the logout came by (HARD 14).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::entry::Entry;
use crate::error::Failure;
use crate::grant::Revoked;
use crate::handle::Handle;
use crate::held::Held;

/// So many tokens that were got for one of the login's are remembered for its end, whoever else has forgotten them.
pub(crate) const MOST_HELD: usize = 64;

/// Who keeps a token that ends with a login.
#[derive(Debug, Clone)]
pub struct Dependent {
    /// Keeps nobody alive.
    entry: Weak<Entry>,
    /// It was got for a token of the login, and could be got for that again: it ends for good. Held until then: the manager
    /// may forget it sooner, and it would live on at its server.
    taken_along: Option<Arc<Entry>>,
}

/// All of one login.
#[derive(Debug, Default)]
pub(crate) struct Dependents(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    all: Vec<Dependent>,
    /// The login has ended: what is got for its token from now on is too late.
    is_over: bool,
}

/// A token that nobody gets any more. The server is still to be told.
pub(crate) struct Forgotten {
    entry: Arc<Entry>,
    logouts: u64,
    held: Option<Arc<Held>>,
}

impl Dependent {
    pub(crate) fn of(entry: &Arc<Entry>) -> Self {
        Self { entry: Arc::downgrade(entry), taken_along: None }
    }

    /// Whether there is something to end: an entry that somebody has, or a token that was taken along and is alive.
    fn is_alive(&mut self) -> bool {
        if self.taken_along.as_ref().is_some_and(|entry| entry.has_nothing()) {
            self.taken_along = None;
        }
        self.entry.strong_count() > 0
    }
}

impl From<&Handle> for Dependent {
    fn from(handle: &Handle) -> Self {
        Self { taken_along: Some(handle.entry().clone()), ..Self::of(handle.entry()) }
    }
}

impl Dependents {
    /// One more, once. What comes too late to be taken along is answered with: it is to be ended now.
    pub(crate) fn add(&self, dependent: Dependent) -> Option<Forgotten> {
        let mut known = self.known();
        let late = dependent.taken_along.clone().filter(|_| known.is_over);
        if late.is_none() {
            known.add(dependent);
        }
        drop(known);
        let late = late?;
        late.close();
        Forgotten::of(late)
    }

    /// Takes from all of them what they have, and what flights that are under way will bring them.
    pub(crate) fn forget(&self) -> Vec<Forgotten> {
        let all = {
            let mut known = self.known();
            known.is_over = true;
            let all = known.all.clone();
            known.all.iter_mut().for_each(|one| one.taken_along = None);
            all
        };
        let forget = |dependent: Dependent| {
            let entry = dependent.entry.upgrade()?;
            if dependent.taken_along.is_some() {
                entry.close();
            }
            Forgotten::of(entry)
        };
        all.into_iter().filter_map(forget).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn add(&mut self, dependent: Dependent) {
        self.all.retain_mut(|other| other.is_alive() && !Weak::ptr_eq(&other.entry, &dependent.entry));
        self.all.push(dependent);
        let held = self.all.iter_mut().rev().filter(|one| one.taken_along.is_some());
        held.skip(MOST_HELD).for_each(|oldest| oldest.taken_along = None);
    }
}

impl Forgotten {
    /// `None` where nothing was left to forget: the logout came by this very entry.
    fn of(entry: Arc<Entry>) -> Option<Self> {
        let was_out = entry.state().is_logged_out;
        let (logouts, held) = entry.forget();
        (held.is_some() || !was_out).then_some(Self { entry, logouts, held })
    }

    /// Forgets it in its store too, and tells its server, now or later.
    pub(crate) async fn end(self) -> Result<Revoked, Failure> {
        let cleared = self.entry.clear(self.logouts).await;
        let revoked = match &self.held {
            Some(held) => self.entry.grant.discard(&held.token).await,
            None => Ok(Revoked::Nothing),
        };
        cleared.and(revoked)
    }
}

#[cfg(test)]
mod tests {
    use bearward_observe::Observer;
    use bearward_token::ManualClock;

    use super::*;
    use crate::TokenManager;
    use crate::client_credentials::ClientCredentials;
    use crate::tests::server::Server;

    #[tokio::test]
    async fn one_that_is_added_again_counts_once_and_one_that_has_gone_not_at_all() {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let manager = || TokenManager::new(clock.clone(), Observer::new(), 1);
        let server = Server::new("none");
        let handle = |manager: &TokenManager| {
            let grant = ClientCredentials::new(server.request(&clock));
            manager.handle("notes", &grant.key(), Arc::new(grant))
        };
        let (all, one, other) = (Dependents::default(), manager(), manager());
        for _ in 0..3 {
            assert!(all.add(Dependent::of(handle(&one).entry())).is_none());
        }
        assert_eq!(all.known().all.len(), 1);
        drop(one);
        assert!(all.add(Dependent::of(handle(&other).entry())).is_none());
        assert_eq!(all.known().all.len(), 1);
        drop(other);
        assert!(all.forget().is_empty());
    }
}
