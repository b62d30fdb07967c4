//! `bearward demo`.

use clap::Args;

use super::exit::Exit;

/// Show everything at work in one process, with an authorization server and an MCP server of its own.
#[derive(Debug, Args)]
pub struct Demo {}

impl Demo {
    pub(super) fn run(self) -> Exit {
        eprintln!("not there yet");
        Exit::Outside
    }
}
