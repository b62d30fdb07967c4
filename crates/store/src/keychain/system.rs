//! Which keychain this system has, what it bears, and what to do when it is not there.

use std::collections::HashMap;
use std::sync::Arc;

use keyring_core::{CredentialStore, Result};

/// Longest item, in bytes, where the system has a limit (`CRED_MAX_CREDENTIAL_BLOB_SIZE`).
pub(super) const MAX_BYTES: Option<usize> = if cfg!(windows) { Some(2560) } else { None };

#[cfg(target_os = "linux")]
pub(super) const ADVICE_MISSING: &str = "there is no Secret Service on this session's D-Bus: start \
    gnome-keyring-daemon or another one in the session, and set DBUS_SESSION_BUS_ADDRESS";
#[cfg(not(target_os = "linux"))]
pub(super) const ADVICE_MISSING: &str = "run Bearward in the session of a user who has a keychain";

#[cfg(target_os = "linux")]
pub(super) const ADVICE_LOCKED: &str = "unlock it, by logging in or with `gnome-keyring-daemon --unlock`";
#[cfg(target_os = "macos")]
pub(super) const ADVICE_LOCKED: &str = "unlock it, by logging in or with `security unlock-keychain`";
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(super) const ADVICE_LOCKED: &str = "unlock it, by logging in";

/// Connects. May wait for as long as the system likes.
pub(super) fn open() -> Result<Arc<CredentialStore>> {
    #[cfg(target_os = "linux")]
    return Ok(zbus_secret_service_keyring_store::Store::new()?);
    #[cfg(target_os = "macos")]
    return Ok(apple_native_keyring_store::keychain::Store::new()?);
    #[cfg(windows)]
    return Ok(windows_native_keyring_store::Store::new()?);
    #[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
    return Err(keyring_core::Error::NoDefaultStore);
}

/// What a person sees in the keychain's own program, where it can be told.
pub(super) fn modifiers(label: &str) -> HashMap<&'static str, &str> {
    match cfg!(target_os = "linux") {
        true => HashMap::from([("label", label)]),
        false => HashMap::new(),
    }
}
