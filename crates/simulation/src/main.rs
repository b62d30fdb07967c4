//! `cargo xtask simulate`: runs the simulation, prints its table, fails when a promise is broken.

use std::process::ExitCode;

use bearward_simulation::{Plan, Report, run};
use clap::Parser;

/// The token manager among authorization servers that fail, clocks that jump and destinations that refuse.
///
/// The real token manager, on a clock that moves as soon as everybody waits: a day of a thousand keys takes about a minute.
/// Servers go down, answer 503, 429 with Retry-After, slowly, by half, or reset the connection; secrets are replaced;
/// tokens live from 30 s to 24 h; the wall clock is set by an hour and back; the machine is suspended; destinations refuse
/// tokens. The servers count what they issued and what callers got. The table says what was found, and what is promised of
/// it; what each line counts stands in crates/simulation/src/lib.rs.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask simulate",
    bin_name = "cargo xtask simulate",
    after_help = "Exit code 1: a promise is broken. The same seed gives the same world.\n\n\
        Examples:\n  \
        cargo xtask simulate                       a day of a thousand keys\n  \
        cargo xtask simulate --hours 168 --seed 7  a week, in other weather\n  \
        cargo xtask simulate --keys 100 --hours 4  a quick look\n  \
        cargo xtask simulate --json                for a program"
)]
struct Cli {
    #[command(flatten)]
    plan: Plan,
    /// One JSON object instead of the table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let Cli { plan, json } = Cli::parse();
    let outcome = run(&plan, |hour| eprint!("\r{hour} of {} hours", plan.hours));
    eprintln!();
    let shown = outcome.and_then(|report| show(&report, json).map(|()| report.is_kept()));
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("✗ a promise is broken: repeat with --seed {}", plan.seed);
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("✗ {error}");
            ExitCode::from(3)
        }
    }
}

fn show(report: &Report, json: bool) -> std::io::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    println!(
        "{} keys, {} hours, seed {}, in {:.1} s\n",
        report.keys, report.hours, report.seed, report.took_s
    );
    println!("  {:<52}{:>12}{:>12}", "", "found", "promised");
    for row in &report.rows {
        let mark = match (row.promised, row.is_kept) {
            (None, _) => ' ',
            (Some(_), true) => '✓',
            (Some(_), false) => '✗',
        };
        println!("{mark} {:<52}{:>12}{:>12}", row.what, row.found, row.promised.unwrap_or_default());
    }
    println!("\n  requests that brought no token");
    for (why, count) in &report.failures {
        println!("  {why:<52}{count:>12}");
    }
    Ok(())
}
