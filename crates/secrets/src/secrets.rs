//! Reads any secret, wherever it is.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bearward_token::{ClientSecret, Clock, Fingerprint, SystemClock};
use futures_util::future::join_all;

use crate::aws::AwsSettings;
use crate::kept::Kept;
use crate::local::{self, Local};
use crate::sources::Sources;
use crate::vault::{Vault, VaultSettings};
use crate::{Keeping, SecretError, SecretRef, Store};

/// So long what a store on the network said counts without a question, unless its settings say otherwise.
pub(crate) const REFRESH: Duration = Duration::from_secs(30);

/// So long a clean end waits for stores.
const CLOSING: Duration = Duration::from_secs(2);

/// Reads secrets. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct Secrets(Arc<Inner>);

/// The stores on the network that references may lead to.
#[derive(Debug, Clone, Default)]
pub struct StoreSettings {
    /// HashiCorp Vault; absent: no reference leads there.
    pub vault: Option<VaultSettings>,
    /// AWS Secrets Manager; every setting of it may be left to AWS's own environment.
    pub aws: AwsSettings,
}

struct Inner {
    sources: Arc<Sources>,
    clock: Arc<dyn Clock>,
    /// What came from stores: as many as the configuration names.
    kept: Mutex<HashMap<SecretRef, Arc<Kept>>>,
}

impl Secrets {
    /// Reads from this environment and from files. The environment is taken once, so that nothing else of the program
    /// reads it.
    pub fn new(environment: HashMap<String, String>) -> Self {
        Self::with_stores(environment, StoreSettings::default(), Arc::new(SystemClock::new()))
    }

    /// Reads from stores on the network, too. None is asked before the first secret is read from it.
    pub fn with_stores(
        environment: HashMap<String, String>,
        stores: StoreSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let sources = Arc::new(Sources::new(Local::new(environment), stores, clock.clone()));
        Self(Arc::new(Inner { sources, clock, kept: Mutex::default() }))
    }

    /// The secret behind a reference: as it is now, or for a store on the network as it was at most `refresh` ago, or
    /// when it was last read. Its fingerprint is its version: a changed secret has another one.
    ///
    /// # Errors
    /// As [`SecretError`] says. A store that does not answer is no error while something is known.
    pub async fn read(&self, reference: &SecretRef) -> Result<ClientSecret, SecretError> {
        let sources = &self.0.sources;
        if !reference.is_remote() {
            return sources.read(reference).await;
        }
        let flight = || {
            let (sources, reference) = (sources.clone(), reference.clone());
            async move { sources.read(&reference).await }
        };
        self.kept(reference).get(flight).await
    }

    /// The same without waiting but for the disk; `None` for what is in a store on the network.
    pub fn read_local(&self, reference: &SecretRef) -> Option<Result<ClientSecret, SecretError>> {
        match reference {
            SecretRef::Env(name) => Some(self.0.sources.local.variable(name)),
            SecretRef::File(path) => Some(local::file(path)),
            SecretRef::Vault(_) | SecretRef::Aws(_) => None,
        }
    }

    /// What is known without asking a store on the network, which may be older than `refresh`.
    ///
    /// # Errors
    /// Why nothing is known.
    pub fn known(&self, reference: &SecretRef) -> Result<ClientSecret, SecretError> {
        if let Some(local) = self.read_local(reference) {
            return local;
        }
        let kept = self.kept(reference);
        kept.known().ok_or_else(|| kept.trouble().unwrap_or_else(|| SecretError::NotRead(reference.clone())))
    }

    /// The version of what is known.
    pub fn version(&self, reference: &SecretRef) -> Option<Fingerprint> {
        self.known(reference).ok().map(|secret| secret.fingerprint())
    }

    /// Looks after what comes from stores on the network while nobody asks, until the answer is dropped.
    ///
    /// Needs a runtime of tokio's around it.
    pub fn keep(&self) -> Keeping {
        Keeping::start(self.clone())
    }

    /// Ends the logins that were made at stores, for two seconds at most; one that could not be ended expires. What is
    /// known is still had afterwards, and nothing new comes from such a store.
    pub async fn close(&self) {
        let Some(vault) = &self.0.sources.vault else { return };
        tokio::select! {
            closed = vault.close() => if let Err(error) = closed {
                tracing::debug!(%error, "the token of Vault is not revoked, and expires");
            },
            () = self.0.clock.sleep(CLOSING) => {
                tracing::debug!("Vault did not answer in time; its token is not revoked, and expires");
            }
        }
    }

    /// What is wrong with secrets in stores on the network that somebody has asked for: those of which nothing is known,
    /// and those that could not be looked at for long.
    pub fn troubles(&self) -> Vec<SecretError> {
        let all = self.all_kept();
        all.iter().filter_map(|(_, kept)| kept.trouble()).collect()
    }

    /// Reads all of these at once, so that they are known; what cannot be read is warned of.
    pub async fn warm(&self, references: impl IntoIterator<Item = &SecretRef>) {
        let remote = references.into_iter().filter(|reference| reference.is_remote());
        join_all(remote.map(|reference| self.read(reference))).await;
    }

    /// What is known of it was refused: the next reader asks its store again, though not more than once in five
    /// seconds. What is on this machine is read anew in any case.
    pub fn doubt(&self, reference: &SecretRef) {
        if reference.is_remote() {
            self.kept(reference).doubt();
        }
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.0.sources
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// What somebody has asked for.
    pub(crate) fn all_kept(&self) -> Vec<(SecretRef, Arc<Kept>)> {
        let all = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(reference, kept)| (reference.clone(), kept.clone())).collect()
    }

    fn kept(&self, reference: &SecretRef) -> Arc<Kept> {
        let mut all = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = all.get(reference) {
            return kept.clone();
        }
        let sources = &self.0.sources;
        let (store, refresh) = match reference {
            SecretRef::Vault(_) => (Store::Vault, sources.vault.as_ref().map_or(REFRESH, Vault::refresh)),
            _ => (Store::Aws, sources.aws.refresh()),
        };
        let kept = Arc::new(Kept::new(reference.clone(), store, refresh, self.0.clock.clone()));
        all.insert(reference.clone(), kept.clone());
        kept
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}
