//! A login that lives in the keychain is one process's: nothing there keeps two from spending its refresh token.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use bearward_store::{FolderLock, Kept, StoreError};
use bearward_token::{Clock, Fingerprint};

use super::{ComposeError, Surroundings};
use crate::config::Settings;
use crate::config::settings::{GrantSettings, ProviderSettings};

/// Between two looks whether the other process has ended.
const LOOK: Duration = Duration::from_millis(50);

/// Takes all that the settings name.
pub(super) async fn take_all(
    settings: &Settings,
    around: &Surroundings,
) -> Result<Vec<FolderLock>, ComposeError> {
    let mut locks = Vec::new();
    for folder in settings.providers.iter().filter_map(folder) {
        locks.push(take(&folder, &*around.clock, around.patience).await?);
    }
    Ok(locks)
}

async fn take(
    folder: &std::path::Path,
    clock: &dyn Clock,
    patience: Duration,
) -> Result<FolderLock, StoreError> {
    let began = clock.monotonic();
    loop {
        match FolderLock::take(folder) {
            Err(StoreError::InUse { .. }) if clock.monotonic() - began < patience => clock.sleep(LOOK).await,
            taken => return taken,
        }
    }
}

/// Where all processes of one user look, whatever folder they run in; a sealed login is locked with its files.
fn folder(provider: &ProviderSettings) -> Option<PathBuf> {
    let GrantSettings::RefreshToken { request, .. } = &provider.grant else { return None };
    if provider.storage.refresh != Kept::Keychain {
        return None;
    }
    let login = format!("{} {} {}", request.authority, request.client.id, provider.name);
    let login: String = Fingerprint::of(&login).to_hex().chars().take(32).collect();
    let here = env::var_os("XDG_RUNTIME_DIR").map_or_else(env::temp_dir, PathBuf::from);
    Some(here.join(format!("bearward-login-{login}")))
}
