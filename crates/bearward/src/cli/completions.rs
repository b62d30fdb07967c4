//! `bearward completions`.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::Cli;
use super::exit::Exit;
use super::output::print;

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bearward completions bash > /etc/bash_completion.d/bearward")]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Exit {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "bearward", &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}
