//! Programs of the system: found, installed on Debian as root, or asked for in so many words.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::outcome::Stop;
use crate::step;

/// Whether the program runs and says so.
pub(super) fn works(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Where the program is that a shell would start.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Installs Debian packages if this is Debian and we are root.
///
/// # Errors
/// Anywhere else: says what to install. Also when the installation fails.
pub(super) fn apt_install(packages: &[&str], why: &str) -> Result<(), Stop> {
    if !(Path::new("/etc/debian_version").exists() && is_root()) {
        let debian = format!("sudo apt-get install {}", packages.join(" "));
        return Err(Stop::Missing(format!(
            "{why}. Install it and run this again; on Debian: `{debian}`; elsewhere by the system's own packages"
        )));
    }
    let mut update = Command::new("apt-get");
    step::run("apt-get update", update.args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-qq"]).args(packages);
    step::run(&format!("apt-get install {}", packages.join(" ")), &mut install)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
