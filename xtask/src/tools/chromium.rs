//! A real browser and what drives it: Chromium and `chromedriver`, the system's own, which fit each other.

use std::path::PathBuf;

use super::system::{apt_install, on_path};
use crate::outcome::Stop;

/// Both programs.
pub(super) struct Chromium {
    pub(super) chromium: PathBuf,
    pub(super) chromedriver: PathBuf,
}

/// Finds both, and installs them where one is missing.
///
/// # Errors
/// When they cannot be installed.
pub(super) fn find() -> Result<Chromium, Stop> {
    const MISSING: &str = "Chromium or `chromedriver` is missing, for the tests in a browser";
    if let Some(found) = look() {
        return Ok(found);
    }
    apt_install(&["chromium", "chromium-driver"], MISSING)?;
    look().ok_or_else(|| Stop::Missing(format!("{MISSING}, and this system's packages did not bring it")))
}

fn look() -> Option<Chromium> {
    Some(Chromium { chromium: on_path("chromium")?, chromedriver: on_path("chromedriver")? })
}
