//! Where secrets come from: this machine, and the stores on the network.

use std::sync::Arc;

use bearward_token::{ClientSecret, Clock};

use crate::aws::Aws;
use crate::local::Local;
use crate::vault::Vault;
use crate::{SecretError, SecretRef, StoreSettings};

/// All of them. A flight holds them, and not what it is for: whoever drops that ends the flight.
pub(crate) struct Sources {
    pub(crate) local: Local,
    pub(crate) vault: Option<Vault>,
    pub(crate) aws: Aws,
}

impl Sources {
    pub(crate) fn new(local: Local, stores: StoreSettings, clock: Arc<dyn Clock>) -> Self {
        let vault = stores.vault.map(|settings| Vault::new(settings, clock));
        Self { local, vault, aws: Aws::new(stores.aws) }
    }

    /// Reads a secret now, wherever it is.
    pub(crate) async fn read(&self, reference: &SecretRef) -> Result<ClientSecret, SecretError> {
        match reference {
            SecretRef::Env(_) | SecretRef::File(_) => self.local.read(reference).await,
            SecretRef::Vault(place) => {
                let vault = self.vault.as_ref().ok_or_else(|| SecretError::NoVault(reference.clone()))?;
                vault.read(reference, place, &self.local).await
            }
            SecretRef::Aws(place) => self.aws.read(reference, place, &self.local).await,
        }
    }
}
