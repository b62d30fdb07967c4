//! `llvm-profdata`, which puts together what a program has counted of itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::system::{apt_install, on_path};
use crate::outcome::Stop;

/// Those that read what our compiler's programs write, the newest first.
const NAMES: [&str; 5] =
    ["llvm-profdata-22", "llvm-profdata-21", "llvm-profdata-20", "llvm-profdata-19", "llvm-profdata"];
const DEBIAN: &str = "llvm-19";
const WHY: &str =
    "llvm-profdata of LLVM 19 or later is needed; it also comes with `rustup component add llvm-tools`";

/// Where it is; installs it on Debian as root.
///
/// # Errors
/// Where it is missing and cannot be installed.
pub(crate) fn find() -> Result<PathBuf, Stop> {
    if let Some(found) = known() {
        return Ok(found);
    }
    apt_install(&[DEBIAN], WHY)?;
    known().ok_or_else(|| Stop::Missing(WHY.into()))
}

fn known() -> Option<PathBuf> {
    let others = NAMES.iter().filter_map(|name| on_path(name));
    beside_the_compiler().into_iter().chain(others).find(|path| is_new_enough(path))
}

/// `rustup component add llvm-tools` puts it there.
fn beside_the_compiler() -> Option<PathBuf> {
    let said = Command::new("rustc").args(["--print", "target-libdir"]).output().ok()?;
    let libraries = PathBuf::from(String::from_utf8(said.stdout).ok()?.trim());
    Some(libraries.parent()?.join("bin/llvm-profdata"))
}

fn is_new_enough(path: &Path) -> bool {
    const LEAST: u32 = 19;
    let said = Command::new(path).arg("--version").stdin(Stdio::null()).output();
    let said = said.map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let version = said.split("version ").nth(1).and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    version.is_some_and(|version| version >= LEAST)
}
