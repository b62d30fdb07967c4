//! Where the tools are that `cargo xtask test` installed, and the record of tests that had to do without.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The tools of the end-to-end tests.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Python with the official SDK.
    pub python: PathBuf,
    /// Node 22 or newer.
    pub node: PathBuf,
    /// The folder of the npm packages.
    pub node_modules: PathBuf,
    /// The `bearward` program.
    pub bearward: PathBuf,
}

impl Tools {
    /// All of them; when one is missing, records that `test` was skipped and why.
    pub fn find(test: &str) -> Option<Self> {
        let tools = Self {
            python: tool("BEARWARD_TEST_PYTHON", test)?,
            node: tool("BEARWARD_TEST_NODE", test)?,
            node_modules: tool("BEARWARD_TEST_NODE_MODULES", test)?,
            bearward: tool("BEARWARD_BIN", test)?,
        };
        Some(tools)
    }

    /// A program of an npm package.
    pub fn package(&self, path: &str) -> PathBuf {
        self.node_modules.join(path)
    }
}

/// What [`Browser`](crate::browser::Browser) is made of.
#[derive(Debug, Clone)]
pub struct BrowserPrograms {
    /// The browser.
    pub chromium: PathBuf,
    /// What drives it.
    pub chromedriver: PathBuf,
}

impl BrowserPrograms {
    /// Both; when one is missing, records that `test` was skipped and why.
    pub fn find(test: &str) -> Option<Self> {
        let chromium = tool("BEARWARD_TEST_CHROMIUM", test)?;
        Some(Self { chromium, chromedriver: tool("BEARWARD_TEST_CHROMEDRIVER", test)? })
    }
}

/// The `schemathesis` program; when it is missing, records that `test` was skipped and why.
pub fn schemathesis(test: &str) -> Option<PathBuf> {
    tool("BEARWARD_TEST_SCHEMATHESIS", test)
}

/// The `bearward` program alone; when it is missing, records that `test` was skipped and why.
pub fn bearward(test: &str) -> Option<PathBuf> {
    tool("BEARWARD_BIN", test)
}

/// A file of this package, such as `clients/python/client.py`.
pub fn own_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Says that `test` did not run, and why: on the terminal and in the list of `cargo xtask test`.
pub fn skip(test: &str, why: &str) {
    let line = format!("{test}: {why}\n");
    eprint!("skipped: {line}");
    let Some(list) = env::var_os("BEARWARD_TEST_SKIPS") else { return };
    // One write of one short line: tests of other processes append to the same file.
    let written = OpenOptions::new().append(true).create(true).open(list);
    if let Err(error) = written.and_then(|mut list| list.write_all(line.as_bytes())) {
        eprintln!("the skip could not be recorded: {error}");
    }
}

fn tool(variable: &str, test: &str) -> Option<PathBuf> {
    let found = env::var_os(variable).map(PathBuf::from).filter(|path| path.exists());
    if found.is_none() {
        skip(test, &format!("{variable} names nothing that exists; run it by `cargo xtask test`"));
    }
    found
}
