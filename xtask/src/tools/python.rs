//! Virtual environments of Python, from pinned lists.

use std::path::PathBuf;
use std::process::Command;

use super::stamp::Stamp;
use super::system::{apt_install, works};
use crate::outcome::Stop;
use crate::root::{test_tools, tool_lists};
use crate::step;

/// The Python of the environment `name`, with everything in `list` installed.
///
/// # Errors
/// When there is no Python 3.11 or newer, or the packages cannot be installed.
pub(crate) fn environment(name: &str, list: &str) -> Result<PathBuf, Stop> {
    let folder = test_tools().join(name);
    let list = tool_lists().join(list);
    let python = folder.join("bin/python");
    let stamp = Stamp::new(&folder, std::slice::from_ref(&list))?;
    if stamp.holds() && works(Command::new(&python).arg("--version")) {
        return Ok(python);
    }
    if !can_make_environments() {
        const MISSING: &str = "Python 3.11 or newer with `venv` is missing";
        apt_install(&["python3", "python3-venv"], MISSING)?;
        if !can_make_environments() {
            // An old Debian's own Python stays old however often it is installed.
            return Err(Stop::Missing(format!("{MISSING}, and this system's packages do not bring it")));
        }
    }
    stamp.clear()?;
    step::run("Python environment", Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&list);
    step::run("Python packages", &mut pip)?;
    stamp.write()?;
    Ok(python)
}

/// `venv` alone is there without `ensurepip` on a bare Debian, and then makes environments without pip.
fn can_make_environments() -> bool {
    let needed = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    works(Command::new("python3").args(["-c", needed]))
}
