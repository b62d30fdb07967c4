//! The official clients as callers: each lists the tools, calls one, and watches its progress.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use crate::process::Running;
use crate::tools::{Tools, own_file};
use crate::{Error, Result};

/// Longer than the clients' own limit, so that they can say what they were waiting for.
const LIMIT: Duration = Duration::from_secs(45);

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// `mcp` of PyPI.
    Python,
    /// `@modelcontextprotocol/client`.
    TypeScript,
    /// `@modelcontextprotocol/sdk`, which knows sessions only.
    TypeScriptSdk,
}

/// How a client and a server begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// `initialize` and a session.
    Legacy,
    /// The revision of this date, without sessions.
    Stateless(&'static str),
}

/// What a client is asked to do.
#[derive(Debug, Clone)]
pub struct Tour<'a> {
    /// The endpoint.
    pub url: &'a str,
    /// The bearer token; none when empty.
    pub token: &'a str,
    /// How to begin.
    pub era: Era,
    /// The tool to call.
    pub tool: &'a str,
    /// Its arguments.
    pub arguments: Value,
}

/// What the client saw.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// The revision that was agreed on.
    pub protocol: Option<String>,
    /// The names of the tools.
    pub tools: Vec<String>,
    /// The text of the tool's answer.
    pub text: String,
    /// The tool says it failed.
    pub is_error: bool,
    /// Each progress notification.
    pub progress: Vec<Progress>,
    /// When the tool had answered, on the clock of `Progress::at_ms`.
    pub ended_at_ms: u64,
    /// Why the tour was broken off.
    pub error: Option<String>,
}

/// One progress notification.
#[derive(Debug, Deserialize)]
pub struct Progress {
    /// How far.
    pub done: f64,
    /// Of how much.
    pub total: Option<f64>,
    /// When it arrived, in milliseconds on a clock of the client.
    pub at_ms: u64,
}

impl Caller {
    /// Every client with every era it knows.
    pub const ALL: [(Self, Era); 5] = [
        (Self::Python, Era::Legacy),
        (Self::Python, Era::Stateless("2026-07-28")),
        (Self::TypeScript, Era::Legacy),
        (Self::TypeScript, Era::Stateless("2026-07-28")),
        (Self::TypeScriptSdk, Era::Legacy),
    ];

    /// Runs the client; an error of its own is [`Seen::error`].
    ///
    /// # Errors
    /// When the client cannot be run, or says nothing that can be read.
    pub async fn take(self, tools: &Tools, tour: &Tour<'_>) -> Result<Seen> {
        let (program, script) = match self {
            Self::Python => (&tools.python, "clients/python/client.py"),
            Self::TypeScript => (&tools.node, "clients/typescript/client.mjs"),
            Self::TypeScriptSdk => (&tools.node, "clients/typescript/sdk.mjs"),
        };
        let era = match tour.era {
            Era::Legacy => "legacy",
            Era::Stateless(revision) => revision,
        };
        let mut command = Command::new(program);
        command
            .arg(own_file(script))
            .args([tour.url, era, tour.tool])
            .arg(tour.arguments.to_string())
            .env("TOKEN", tour.token)
            .env("BEARWARD_TEST_NODE_MODULES", &tools.node_modules);
        let mut process = Running::start(&format!("{self:?}"), &mut command)?;
        process.until_ended(LIMIT).await?;
        let output = process.output();
        let line = output.lines().find(|line| line.starts_with('{'));
        let line = line.ok_or_else(|| process.error("printed no JSON"))?;
        serde_json::from_str(line)
            .map_err(|source| Error::Json { what: format!("what {self:?} saw: {line}"), source })
    }
}
