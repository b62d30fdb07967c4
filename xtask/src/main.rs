//! `cargo xtask`: every chore of the house.

mod lint;
mod shell;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Every chore of the house. CI calls the same commands a person does.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Format, clippy with warnings as errors, and the licences and sources of every dependency.
    Lint,
    /// Everything that is tested.
    Test,
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Lint => lint::lint(),
        Chore::Test => test::test(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("✗ {failed}");
            ExitCode::FAILURE
        }
    }
}
