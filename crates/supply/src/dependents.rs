//! Whose tokens end with a login: all entries that keep one of it, whichever of them the logout came by (HARD 14).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::entry::Entry;
use crate::error::Failure;
use crate::grant::Revoked;
use crate::handle::Handle;
use crate::held::Held;

/// Who keeps a token that ends with a login. Keeps nobody alive.
#[derive(Debug, Clone)]
pub struct Dependent {
    entry: Weak<Entry>,
    /// It was got for a token of the login, and could be got for that again: it ends for good.
    is_final: bool,
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
        Self { entry: Arc::downgrade(entry), is_final: false }
    }
}

impl From<&Handle> for Dependent {
    fn from(handle: &Handle) -> Self {
        Self { is_final: true, ..Self::of(handle.entry()) }
    }
}

impl Dependents {
    /// One more, once.
    pub(crate) fn add(&self, dependent: Dependent) {
        let mut known = self.known();
        if known.is_over
            && dependent.is_final
            && let Some(entry) = dependent.entry.upgrade()
        {
            entry.close();
        }
        known
            .all
            .retain(|other| other.entry.strong_count() > 0 && !Weak::ptr_eq(&other.entry, &dependent.entry));
        known.all.push(dependent);
    }

    /// Takes from all of them what they have, and what flights that are under way will bring them.
    pub(crate) fn forget(&self) -> Vec<Forgotten> {
        let all = {
            let mut known = self.known();
            known.is_over = true;
            known.all.clone()
        };
        let forget = |dependent: Dependent| {
            let entry = dependent.entry.upgrade()?;
            if dependent.is_final {
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
            all.add((&handle(&one)).into());
        }
        assert_eq!(all.known().all.len(), 1);
        drop(one);
        all.add((&handle(&other)).into());
        assert_eq!(all.known().all.len(), 1);
        drop(other);
        assert!(all.forget().is_empty());
    }
}
