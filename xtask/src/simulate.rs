//! The simulation of the token manager; what it takes and prints is its own (`crates/simulation`).

use clap::Args;

use crate::cargo::cargo;
use crate::outcome::Stop;
use crate::step;

/// Builds it with optimizations and runs it.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// `--keys`, `--hours`, `--seed`, `--json`, `--help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

impl Simulate {
    /// # Errors
    /// When it cannot be built, or a promise is broken.
    pub(crate) fn run(&self) -> Result<(), Stop> {
        let simulation =
            ["run", "--locked", "--quiet", "--release", "--package", "bearward-simulation", "--"];
        step::run("simulation", cargo(&simulation).args(&self.arguments))
    }
}
