//! The conformance suite, `@modelcontextprotocol/conformance`, and what it found.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use crate::process::Running;
use crate::tools::Tools;
use crate::{Error, Result};

/// The suite takes some seconds; a server that hangs costs 30 s a scenario.
const LIMIT: Duration = Duration::from_secs(240);
/// Length of `-2026-11-21T07-07-08-940Z`, which the suite puts behind a scenario's name.
const TIMESTAMP: usize = 25;

/// The revisions whose requirements are checked.
pub const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// How often each check of each scenario passed, and how often it did not.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    checks: BTreeMap<(String, String, String), usize>,
}

#[derive(Deserialize)]
struct Check {
    id: String,
    status: String,
}

/// Runs the server suite against `url`.
///
/// # Errors
/// When it cannot be run, or left no results.
pub async fn run(tools: &Tools, url: &str, revision: &str) -> Result<Findings> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(&tools.node);
    command
        .arg(tools.package("@modelcontextprotocol/conformance/dist/index.js"))
        .args(["server", "--url", url, "--requirements", revision, "--output-dir"])
        .arg(folder.path())
        .current_dir(folder.path());
    let mut process = Running::start("conformance", &mut command)?;
    // Its exit code tells whether everything passed, which no server of ours claims.
    process.until_ended(LIMIT).await?;
    let findings = Findings::read(folder.path())?;
    if findings.checks.is_empty() {
        return Err(process.error("left no results"));
    }
    Ok(findings)
}

impl Findings {
    fn read(folder: &Path) -> Result<Self> {
        let mut findings = Self::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let file = entry.path().join("checks.json");
            if !file.is_file() {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            let scenario = name.get(..name.len().saturating_sub(TIMESTAMP)).unwrap_or(&name);
            let checks: Vec<Check> = serde_json::from_slice(&fs::read(&file)?)
                .map_err(|source| Error::Json { what: format!("the checks of {scenario}"), source })?;
            for check in checks {
                *findings.checks.entry((scenario.into(), check.id, check.status)).or_default() += 1;
            }
        }
        Ok(findings)
    }

    /// How many checks ended this way: `SUCCESS`, `FAILURE`, `WARNING`, `INFO`, `SKIPPED`.
    pub fn count(&self, status: &str) -> usize {
        self.checks.iter().filter(|((_, _, is), _)| is == status).map(|(_, count)| count).sum()
    }

    /// The checks that end one way here more often than there: `scenario / check: STATUS (2, not 3)`.
    pub fn beyond(&self, other: &Self) -> Vec<String> {
        let more = self.checks.iter().filter_map(|(key, &count)| {
            let there = other.checks.get(key).copied().unwrap_or(0);
            (count > there).then(|| format!("{} / {}: {} ({count}, there {there})", key.0, key.1, key.2))
        });
        more.collect()
    }

    /// Those that pass here and not there.
    pub fn passes_beyond(&self, other: &Self) -> Vec<String> {
        self.beyond(other).into_iter().filter(|line| line.contains(": SUCCESS (")).collect()
    }
}
