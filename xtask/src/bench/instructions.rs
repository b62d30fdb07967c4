//! Counts the instructions of the guard's hot path by callgrind, and compares them with what was committed: a slowdown shows
//! in review, on any machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::cargo::cargo;
use crate::outcome::Stop;
use crate::root::root;
use crate::step;

const PIECES: [&str; 3] = ["admitted, remembered", "message read", "call authorized"];
const COMMITTED: &str = "crates/guard/benches/instructions.json";
/// Fewer and more times of the same: their difference is the piece alone.
const TIMES: (u32, u32) = (200, 1_200);
/// More than that beside the committed count is a slowdown, and less a gain that is to be written down: what is not would be
/// given away again without a word.
const TOLERANCE: f64 = 0.05;

/// Compares, or with `accept` writes down.
///
/// # Errors
/// When valgrind is not installed, or a piece takes other than about as many instructions as were committed.
pub(crate) fn compare(accept: bool) -> Result<(), Stop> {
    let bench = built()?;
    let counted = PIECES.iter().map(|piece| Ok(((*piece).to_owned(), count(&bench, piece)?)));
    let counted: BTreeMap<String, u64> = counted.collect::<Result<_, Stop>>()?;
    let path = root().join(COMMITTED);
    if accept {
        let text = serde_json::to_string_pretty(&counted).map_err(|error| Stop::Failed(error.to_string()))?;
        return std::fs::write(&path, text + "\n")
            .map_err(|error| Stop::Failed(format!("{COMMITTED}: {error}")));
    }
    let committed =
        std::fs::read_to_string(&path).map_err(|error| Stop::Failed(format!("{COMMITTED}: {error}")))?;
    let committed: BTreeMap<String, u64> =
        serde_json::from_str(&committed).map_err(|error| Stop::Failed(format!("{COMMITTED}: {error}")))?;
    println!("{:<24} {:>10} {:>10} {:>7}", "instructions", "committed", "now", "");
    let (mut slower, mut faster) = (Vec::new(), Vec::new());
    for (piece, now) in &counted {
        let before = committed.get(piece).copied().unwrap_or_default();
        let change = *now as f64 / before.max(1) as f64 - 1.0;
        println!("{piece:<24} {before:>10} {now:>10} {:>+6.1}%", change * 100.0);
        if change > TOLERANCE {
            slower.push(piece.as_str());
        } else if change < -TOLERANCE {
            faster.push(piece.as_str());
        }
    }
    let accept = "`cargo xtask bench --instructions --accept`";
    if !slower.is_empty() {
        let slower = slower.join("; ");
        return Err(Stop::Failed(format!("slower than committed: {slower}. If that is right, {accept}")));
    }
    if !faster.is_empty() {
        let faster = faster.join("; ");
        return Err(Stop::Failed(format!("faster than committed: {faster}. Write it down: {accept}")));
    }
    Ok(())
}

/// The bench, built with optimizations.
fn built() -> Result<PathBuf, Stop> {
    let arguments = ["bench", "--locked", "--quiet", "--no-run", "--message-format=json"];
    let mut command = cargo(&arguments);
    command.args(["--package", "bearward-guard", "--bench", "counted"]);
    let messages = step::run_quietly("the guard's hot path", &mut command)?;
    let mut executables = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_it = message.pointer("/target/name").is_some_and(|name| name == "counted");
        message.get("executable")?.as_str().filter(|_| is_it).map(PathBuf::from)
    });
    executables
        .next_back()
        .ok_or_else(|| Stop::Failed("cargo does not say where it has built the bench".into()))
}

fn count(bench: &Path, piece: &str) -> Result<u64, Stop> {
    let (fewer, more) = (run(bench, piece, TIMES.0)?, run(bench, piece, TIMES.1)?);
    Ok(more.saturating_sub(fewer) / u64::from(TIMES.1 - TIMES.0))
}

fn run(bench: &Path, piece: &str, times: u32) -> Result<u64, Stop> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(bench);
    let output = command.args([piece, &times.to_string()]).output();
    let output = output.map_err(|source| Stop::Start {
        what: "valgrind (on Debian `apt-get install valgrind`)".into(),
        source,
    })?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = said.lines().find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok());
    collected
        .filter(|_| output.status.success())
        .ok_or_else(|| Stop::Failed(format!("callgrind counted nothing: {said}")))
}
