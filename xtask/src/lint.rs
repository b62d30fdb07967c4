//! Format, clippy, and the rules about dependencies in `deny.toml`.

use crate::cargo::cargo;
use crate::outcome::Stop;
use crate::root::root;
use crate::{step, tools};

/// Every check, the quick ones first; stops at the first that fails.
///
/// # Errors
/// When a check fails or `cargo-deny` cannot be had.
pub(crate) fn run() -> Result<(), Stop> {
    step::run("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    step::run("clippy", &mut cargo(&clippy))?;
    let model = ["clippy", "--package", "bearward-supply", "--features", "shuttle", "--tests", "--locked"];
    step::run("clippy, the model of the flights", cargo(&model).args(["--", "-D", "warnings"]))?;
    let checks = ["check", "bans", "licenses", "sources"];
    step::run("licences and sources", tools::deny::command()?.args(checks).current_dir(root()))
}
