//! Opens what must outlive the process.

use std::sync::Arc;
use std::time::Duration;

use bearward_broker::Application;
use bearward_store::{Kept, Keychain, Memory, SealedFiles, SealingKeys, Stores};
use bearward_token::{Clock, SealingKey};
use tokio::task::AbortHandle;

use super::{ComposeError, Surroundings};
use crate::config::Settings;

/// Records in memory at once: callers' sessions and queued revocations, of a few hundred bytes each.
const IN_MEMORY: usize = 100_000;

/// A process that runs for months must not gather what nobody needs any more.
const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

/// Tidies up again and again, until it is dropped.
pub struct Sweeping(AbortHandle);

impl Sweeping {
    /// Through the sealed files once a day.
    fn of_files(files: SealedFiles, clock: Arc<dyn Clock>) -> Self {
        let sweep = async move {
            loop {
                clock.sleep(DAY).await;
                match files.sweep().await {
                    Ok(swept) => swept.tell(),
                    Err(error) => tracing::warn!(%error, "the state was not swept"),
                }
            }
        };
        Self(tokio::spawn(sweep).abort_handle())
    }

    /// Through the sessions once an hour: what is over ends at the issuer, too.
    pub(super) fn of_sessions(application: Arc<Application>, clock: Arc<dyn Clock>) -> Self {
        let sweep = async move {
            loop {
                // At the start as well: a process may be restarted more often than that.
                let ended = application.sweep().await;
                tracing::debug!(ended, "sessions that were over are cleaned up");
                clock.sleep(HOUR).await;
            }
        };
        Self(tokio::spawn(sweep).abort_handle())
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The stores that the settings name.
pub(super) async fn open(
    settings: &Settings,
    around: &Surroundings,
) -> Result<(Stores, Option<Sweeping>), ComposeError> {
    let mut sweeping = None;
    let clock = &around.clock;
    let mut stores = Stores::new(Memory::new(IN_MEMORY, clock.clone()));
    if let Some(state) = &settings.state {
        let failed = |source| ComposeError::Secret { what: "state.key".into(), source };
        let mut keys = Vec::new();
        for key in &state.keys {
            keys.push(SealingKey::new(around.secrets.known(key).map_err(failed)?.expose()));
        }
        let keys = SealingKeys::parse(&keys).map_err(|error| ComposeError::Setting(error.to_string()))?;
        let files = SealedFiles::open_within(&state.path, keys, clock.clone(), around.patience).await?;
        sweeping = Some(Sweeping::of_files(files.clone(), clock.clone()));
        stores = stores.with_encrypted(files);
    }
    let uses_keychain = settings.providers.iter().any(|provider| {
        let storage = provider.storage;
        [storage.access, storage.id, storage.refresh].contains(&Kept::Keychain)
    });
    if uses_keychain {
        stores = stores.with_keychain(Keychain::system(Arc::clone(clock)));
    }
    Ok((stores, sweeping))
}

#[cfg(test)]
mod tests;
