//! `bearward config`.

mod check;
mod explain;

use clap::Subcommand;

use super::exit::Exit;
pub(super) use check::exposed;

/// What can be done with a configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether a configuration can be used, and what it means.
    Check(check::Check),
    /// Show every setting of a provider, and who decided it.
    Explain(explain::Explain),
}

impl ConfigCommand {
    pub(super) fn run(self) -> Exit {
        match self {
            Self::Check(check) => check.run(),
            Self::Explain(explain) => explain.run(),
        }
    }
}
