//! `cargo xtask`: every chore of the house, one subcommand each.

mod bench;
mod cargo;
mod dist;
mod lint;
mod outcome;
mod root;
mod scaling;
mod simulate;
mod step;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Every chore of the house. CI calls the same commands a person does.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    after_help = "Examples:\n  \
        cargo xtask ci                           what must pass before a change lands\n  \
        cargo xtask test                         every test, with the real clients and servers\n  \
        cargo xtask test -- -p bearward-guard    only what nextest is told"
)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Everything that is tested; installs what that needs beyond Rust into .test-tools/.
    Test(test::Test),
    /// Format, clippy with warnings as errors, and the licences, bans and sources of dependencies.
    Lint,
    /// The binary for production, built with what it was seen to do: target/dist/bearward.
    Dist(dist::Dist),
    /// What verification, a token from memory and the guard cost, beside other proxies and in instructions.
    Bench(bench::Bench),
    /// The token manager for many hours of moved time, among servers that fail and clocks that jump; `--help` says more.
    #[command(disable_help_flag = true)]
    Simulate(simulate::Simulate),
    /// How many instances a number of users needs, and what their issuer sees: the table of docs/scaling.md.
    Scaling(scaling::Scaling),
    /// Lint, then test.
    Ci,
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Test(test) => test.run(),
        Chore::Lint => lint::run(),
        Chore::Dist(dist) => dist.run(),
        Chore::Bench(bench) => bench.run(),
        Chore::Simulate(simulate) => simulate.run(),
        Chore::Scaling(scaling) => scaling.run(),
        Chore::Ci => lint::run().and_then(|()| test::Test::default().run()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            eprintln!("✗ {stop}");
            stop.exit()
        }
    }
}
