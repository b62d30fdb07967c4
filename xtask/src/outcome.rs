//! How a chore can end badly, and the exit code each way has.

use std::io;
use std::process::ExitCode;

/// Why a chore stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// A check ran and did not pass.
    #[error("{0}")]
    Failed(String),
    /// Something outside is missing; says how to get it.
    #[error("{0}")]
    Missing(String),
    /// A command could not be started at all.
    #[error("{what} could not be started: {source}")]
    Start {
        /// The command.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("{what}: {source}")]
    File {
        /// Which, and what was tried.
        what: String,
        /// Why.
        source: io::Error,
    },
}

impl Stop {
    /// 1: a check failed; 3: something outside did. As the `bearward` command line has it.
    pub(crate) fn exit(&self) -> ExitCode {
        match self {
            Self::Failed(_) => ExitCode::from(1),
            Self::Missing(_) | Self::Start { .. } | Self::File { .. } => ExitCode::from(3),
        }
    }

    /// An error about a file, for `map_err`.
    pub(crate) fn file(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::File { what, source }
    }
}
