//! Everything that is tested: crates, the whole with real clients and servers, documentation, the demo's tour.
//!
//! Tests that need a tool ask the environment where it is, and record a skip when it is missing. What was
//! skipped is listed at the end; where `CI=true` a skip is a failure, and so is a run of no test.

mod counts;
mod skips;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use self::counts::Counts;
use self::skips::Skips;
use crate::cargo::{cargo, has};
use crate::outcome::Stop;
use crate::root::root;
use crate::step;
use crate::tools::{self, TestTools};

/// Runs every test; arguments after `--` go to nextest, and then nothing else is run.
#[derive(Debug, Default, Args)]
pub(crate) struct Test {
    /// What to hand to `cargo nextest run` (or `cargo test`) instead of `--workspace`.
    #[arg(last = true, value_name = "ARGUMENT")]
    only: Vec<String>,
}

impl Test {
    /// # Errors
    /// When a test fails, none ran, or, where `CI=true`, one was skipped.
    pub(crate) fn run(&self) -> Result<(), Stop> {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        let tools = match tools::install() {
            Ok(tools) => Some(tools),
            Err(stop) if ci => return Err(stop),
            // Elsewhere the tests that need no tools are still worth running.
            Err(stop) => {
                eprintln!("the real clients and servers cannot be installed: {stop}");
                None
            }
        };
        let skips = Skips::begin(&root().join("target"))?;
        let binary = build()?;
        let mut counts = self.run_tests(tools.as_ref(), &skips, &binary)?;
        if counts.passed == 0 {
            return Err(Stop::Failed("no test ran".into()));
        }
        if self.only.is_empty() {
            let mut doc = cargo(&["test", "--workspace", "--locked", "--doc", "--quiet"]);
            counts += count("examples in the documentation", &mut doc)?;
            counts += count("every order of the steps of a flight", &mut cargo(&MODEL))?;
            let mut demo = Command::new(&binary);
            counts += pass_or_fail("the tour of the demo", demo.args(["demo", "--check"]))?;
        }
        let skipped = skips.end()?;
        for skip in &skipped {
            println!("skipped: {skip}");
        }
        if counts.ignored > 0 {
            println!("skipped: {} marked as ignored in the code, or left out by a filter", counts.ignored);
        }
        // Its runner counts a test that returned early among those that passed.
        counts.passed = counts.passed.saturating_sub(skipped.len());
        let skipped = counts.ignored + skipped.len();
        println!("{} passed, {} failed, {skipped} skipped", counts.passed, counts.failed);
        judge(counts, skipped, ci)
    }

    fn run_tests(&self, tools: Option<&TestTools>, skips: &Skips, binary: &Path) -> Result<Counts, Stop> {
        let mut run = if has("nextest") {
            cargo(&["nextest", "run", "--locked", "--no-fail-fast"])
        } else {
            // As nextest is told in .config: real clients and servers must not all run at once.
            let mut run = cargo(&["test", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"]);
            run.env("RUST_TEST_THREADS", "2");
            run
        };
        if self.only.is_empty() {
            run.arg("--workspace");
        }
        run.args(&self.only).env("BEARWARD_TEST_SKIPS", skips.file()).env("BEARWARD_BIN", binary);
        if let Some(tools) = tools {
            run.env("BEARWARD_TEST_PYTHON", &tools.python)
                .env("BEARWARD_TEST_NODE", &tools.node)
                .env("BEARWARD_TEST_NODE_MODULES", &tools.node_modules)
                .env("BEARWARD_TEST_CHROMIUM", &tools.chromium)
                .env("BEARWARD_TEST_CHROMEDRIVER", &tools.chromedriver)
                .env("BEARWARD_TEST_SCHEMATHESIS", &tools.schemathesis);
        }
        count("tests", &mut run)
    }
}

/// The token manager's flights under shuttle; the library itself is built without it.
const MODEL: [&str; 9] = [
    "test",
    "--locked",
    "--quiet",
    "--package",
    "bearward-supply",
    "--features",
    "shuttle",
    "--lib",
    "model",
];

/// A run of a test runner.
fn count(what: &str, command: &mut Command) -> Result<Counts, Stop> {
    let (status, output) = step::run_and_keep(what, command)?;
    let mut counts = Counts::read(&output);
    // What does not compile runs no test and counts none.
    if !status.success() && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(counts)
}

/// A command that is one test.
fn pass_or_fail(what: &str, command: &mut Command) -> Result<Counts, Stop> {
    let (status, _) = step::run_and_keep(what, command)?;
    let passed = usize::from(status.success());
    Ok(Counts { passed, failed: 1 - passed, ignored: 0 })
}

fn judge(counts: Counts, skipped: usize, ci: bool) -> Result<(), Stop> {
    if counts.failed > 0 {
        return Err(Stop::Failed(format!("{} failed", counts.failed)));
    }
    if counts.passed == 0 {
        return Err(Stop::Failed("no test ran".into()));
    }
    if ci && skipped > 0 {
        return Err(Stop::Failed(format!("{skipped} skipped, and CI=true allows none")));
    }
    Ok(())
}

/// Builds `bearward`; where it is, cargo knows best.
fn build() -> Result<PathBuf, Stop> {
    let arguments = ["build", "--locked", "--package", "bearward", "--bin", "bearward"];
    let mut build = cargo(&arguments);
    build.arg("--message-format=json-render-diagnostics");
    let output = step::run_quietly("build bearward", &mut build)?;
    let messages = output.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let built = messages.filter_map(|message| message.executable).next_back();
    built.ok_or_else(|| Stop::Failed("cargo built no `bearward`".into()))
}

/// What matters of cargo's JSON messages.
#[derive(serde::Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}
