//! What tests, lints and production builds need beyond Rust, installed into `.test-tools/` and kept between runs.
//!
//! Nothing is installed outside that folder but by `apt-get`, on Debian, as root.

mod chromium;
pub(crate) mod deny;
mod keyring;
pub(crate) mod node;
pub(crate) mod profdata;
pub(crate) mod python;
mod stamp;
mod system;

use std::path::PathBuf;

use self::chromium::Chromium;
use crate::outcome::Stop;

/// Where the installed tools are.
#[derive(Debug)]
pub(crate) struct TestTools {
    /// A Python with the packages of `requirements.txt`.
    pub(crate) python: PathBuf,
    /// Node 22 or newer.
    pub(crate) node: PathBuf,
    /// The npm packages of `package-lock.json`.
    pub(crate) node_modules: PathBuf,
    /// A Chromium that runs without a screen.
    pub(crate) chromium: PathBuf,
    /// What drives it by WebDriver.
    pub(crate) chromedriver: PathBuf,
    /// The program of `requirements-schemathesis.txt`.
    pub(crate) schemathesis: PathBuf,
}

/// Installs what is missing or was listed differently the last time.
///
/// # Errors
/// When something cannot be installed; the error says how to do it by hand.
pub(crate) fn install() -> Result<TestTools, Stop> {
    let python = python::environment("python", "requirements.txt")?;
    let node = node::find(&python)?;
    let node_modules = node::packages(&node)?;
    // In an environment of its own: its pins are not those of the others.
    let schemathesis = python::environment("schemathesis", "requirements-schemathesis.txt")?;
    let schemathesis = schemathesis.with_file_name("schemathesis");
    keyring::install()?;
    let Chromium { chromium, chromedriver } = chromium::find()?;
    Ok(TestTools { python, node: node.program, node_modules, chromium, chromedriver, schemathesis })
}
