//! Opens what must outlive the process.

use std::sync::Arc;

use bearward_store::{Kept, Keychain, Memory, SealedFiles, SealingKeys, Stores};
use bearward_token::SealingKey;

use super::{ComposeError, Surroundings};
use crate::config::Settings;

/// Records in memory at once: callers' sessions and queued revocations, of a few hundred bytes each.
const IN_MEMORY: usize = 100_000;

/// The stores that the settings name.
pub(super) async fn open(settings: &Settings, around: &Surroundings) -> Result<Stores, ComposeError> {
    let clock = &around.clock;
    let mut stores = Stores::new(Memory::new(IN_MEMORY, clock.clone()));
    if let Some(state) = &settings.state {
        let failed = |source| ComposeError::Secret { what: "state.key".into(), source };
        let mut keys = Vec::new();
        for key in &state.keys {
            keys.push(SealingKey::new(around.secrets.read(key).map_err(failed)?.expose()));
        }
        let keys = SealingKeys::parse(&keys).map_err(|error| ComposeError::Setting(error.to_string()))?;
        stores = stores.with_encrypted(SealedFiles::open(&state.path, keys, clock.clone()).await?);
    }
    let uses_keychain = settings.providers.iter().any(|provider| {
        let storage = provider.storage;
        [storage.access, storage.id, storage.refresh].contains(&Kept::Keychain)
    });
    if uses_keychain {
        stores = stores.with_keychain(Keychain::system(Arc::clone(clock)));
    }
    Ok(stores)
}
