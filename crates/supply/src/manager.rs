//! Owns all entries and their tasks; ends them when it is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bearward_observe::Observer;
use bearward_token::{Clock, Issuer};

use crate::gate::Gate;
use crate::grant::Grant;
use crate::handle::Handle;
use crate::keeper::Entry;
use crate::key::{KeyDigest, KeyParts, TokenKey};

/// The token manager.
#[derive(Debug)]
pub struct TokenManager {
    clock: Arc<dyn Clock>,
    observer: Observer,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    entries: HashMap<KeyDigest, Arc<Entry>>,
    gates: HashMap<(Issuer, String), Arc<Gate>>,
    random: fastrand::Rng,
}

impl TokenManager {
    /// An empty manager. `seed` decides every jitter, so that a test can repeat a run.
    pub fn new(clock: Arc<dyn Clock>, observer: Observer, seed: u64) -> Self {
        let inner =
            Inner { entries: HashMap::new(), gates: HashMap::new(), random: fastrand::Rng::with_seed(seed) };
        Self { clock, observer, inner: Mutex::new(inner) }
    }

    /// The handle for a key, under a name of its own. Asked for again, the same entry: equal keys share token
    /// and flight, and `grant` of the first one stays; its name is the one that fetches are counted under.
    pub fn handle(&self, name: &str, key: &TokenKey, grant: Arc<dyn Grant>) -> Handle {
        let mut inner = self.inner();
        let KeyParts { issuer, client, .. } = key.parts();
        let gate = inner.gates.entry((issuer.clone(), client.clone())).or_default().clone();
        let random = inner.random.fork();
        let entry = inner.entries.entry(key.digest()).or_insert_with(|| {
            Arc::new(Entry::new(name.into(), grant, gate, self.clock.clone(), self.observer.clone(), random))
        });
        Handle::new(name.into(), entry.clone())
    }

    /// Ends all tasks. Callers that wait get [`crate::Failure::Stopped`].
    pub fn shut_down(&self) {
        for entry in self.inner().entries.values() {
            entry.stop();
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TokenManager {
    fn drop(&mut self) {
        self.shut_down();
    }
}
