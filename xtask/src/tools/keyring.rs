//! A real Secret Service for the keychain's tests: `gnome-keyring-daemon` on a D-Bus session of the tests' own.

use std::process::Command;

use super::system::{apt_install, works};
use crate::outcome::Stop;

/// Installs both where they are missing; on Linux alone, for elsewhere the keychain is another.
///
/// # Errors
/// When they cannot be installed.
pub(super) fn install() -> Result<(), Stop> {
    let is_there = |program: &str| works(Command::new(program).arg("--version"));
    if !cfg!(target_os = "linux") || ["dbus-daemon", "gnome-keyring-daemon"].into_iter().all(is_there) {
        return Ok(());
    }
    apt_install(
        &["dbus", "gnome-keyring"],
        "a D-Bus daemon and gnome-keyring are missing, for the keychain's tests",
    )
}
