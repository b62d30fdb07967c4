//! How a command ends.

use std::process::{ExitCode, Termination};

/// The promised exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0.
    Done,
    /// 1: refused, or a check failed.
    Refused,
    /// 2: wrong usage or configuration.
    Usage,
    /// 3: something outside failed.
    Outside,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Outside => 3,
        })
    }
}
