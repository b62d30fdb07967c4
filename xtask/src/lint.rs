//! `cargo xtask lint`.

use crate::shell::{cargo, has, run};

/// The version of cargo-deny that the house uses.
const DENY: &str = "0.20";

pub(crate) fn lint() -> Result<(), String> {
    run("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    run(
        "clippy",
        &mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    )?;
    if !has("deny") {
        run("install cargo-deny", &mut cargo(&["install", "cargo-deny", "--locked", "--version", DENY]))?;
    }
    run("licences and sources", &mut cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]))
}
