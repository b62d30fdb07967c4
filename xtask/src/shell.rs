//! Runs a command, says so, and how long it took.

use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs a command with its output shown.
///
/// # Errors
/// Names the step when it fails.
pub(crate) fn run(step: &str, command: &mut Command) -> Result<(), String> {
    let started = Instant::now();
    eprintln!("▸ {step}");
    let status = command.stdin(Stdio::null()).status().map_err(|error| format!("{step}: {error}"))?;
    if !status.success() {
        return Err(format!("{step} failed ({status})"));
    }
    eprintln!("✓ {step} ({:.0} s)", started.elapsed().as_secs_f64());
    Ok(())
}

/// `cargo` with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// True when a cargo subcommand is installed.
pub(crate) fn has(subcommand: &str) -> bool {
    let mut command = cargo(&[subcommand, "--version"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
