//! Runs one command of a chore: says what begins, shows its output, says how long it took.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::outcome::Stop;

/// Runs it, its output going straight through.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<(), Stop> {
    let began = begin(what);
    let status = command.stdin(Stdio::null()).status();
    end(what, began, status).and_then(|status| must_succeed(what, status))
}

/// Runs it, keeping its standard output instead of showing it.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn run_quietly(what: &str, command: &mut Command) -> Result<String, Stop> {
    let began = begin(what);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let (status, text) = match output {
        Ok(output) => (Ok(output.status), String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) => (Err(error), String::new()),
    };
    let status = end(what, began, status)?;
    must_succeed(what, status).map(|()| text)
}

/// Runs it, showing its output and keeping it, too. Whether it succeeded is for the caller to judge.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn run_and_keep(what: &str, command: &mut Command) -> Result<(ExitStatus, String), Stop> {
    let began = begin(what);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|source| Stop::Start { what: what.into(), source })?;
    let stdout = child.stdout.take().map(|out| thread::spawn(move || pass_on(out, std::io::stdout())));
    let stderr = child.stderr.take().map(|err| thread::spawn(move || pass_on(err, std::io::stderr())));
    let status = child.wait();
    // A reader that panicked has lost output, not the command's status.
    let mut kept = String::new();
    for reader in [stdout, stderr].into_iter().flatten() {
        kept.push_str(&reader.join().unwrap_or_default());
    }
    Ok((end(what, began, status)?, kept))
}

fn begin(what: &str) -> Instant {
    eprintln!("▸ {what}");
    Instant::now()
}

fn end(what: &str, began: Instant, status: std::io::Result<ExitStatus>) -> Result<ExitStatus, Stop> {
    let status = status.map_err(|source| Stop::Start { what: what.into(), source })?;
    let mark = if status.success() { "✓" } else { "✗" };
    eprintln!("{mark} {what} ({})", shown(began.elapsed()));
    Ok(status)
}

fn must_succeed(what: &str, status: ExitStatus) -> Result<(), Stop> {
    if status.success() { Ok(()) } else { Err(Stop::Failed(format!("{what} failed ({status})"))) }
}

fn pass_on(from: impl Read, mut to: impl Write) -> String {
    let mut kept = String::new();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // Showing is a courtesy: a closed terminal must not stop the tests.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        kept.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    kept
}

fn shown(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 60 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}
