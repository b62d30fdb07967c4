//! The command line's word, to flatten into a program's own flags.

use clap::Args;

use crate::choice::Choice;
use crate::mode::Mode;

/// `--mcp-reuse-authorizer` and `--mcp-reuse-authorizer-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub struct ReuseFlags {
    /// Reuse the application's login at MCP providers, or do not, whatever environment and configuration say.
    #[arg(
        long = "mcp-reuse-authorizer",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub reuse: Option<bool>,
    /// What is tried first: `bearer_first` or `cookie_first`.
    #[arg(long = "mcp-reuse-authorizer-mode", value_name = "MODE")]
    pub mode: Option<Mode>,
}

impl ReuseFlags {
    /// What they say.
    pub fn choice(self) -> Choice {
        Choice { reuse: self.reuse, mode: self.mode }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        reuse: ReuseFlags,
    }

    fn read(line: &str) -> Result<Choice, clap::Error> {
        Program::try_parse_from(line.split(' ')).map(|program| program.reuse.choice())
    }

    #[test]
    fn each_flag_may_be_left_out() {
        assert_eq!(read("agent").unwrap(), Choice::default());
        assert_eq!(read("agent --mcp-reuse-authorizer").unwrap().reuse, Some(true));
        assert_eq!(read("agent --mcp-reuse-authorizer=false").unwrap().reuse, Some(false));
        let mode = read("agent --mcp-reuse-authorizer-mode Cookie-First").unwrap();
        assert_eq!(mode, Choice { reuse: None, mode: Some(Mode::CookieFirst) });
    }

    #[test]
    fn what_no_level_could_obey_is_refused() {
        for line in ["agent --mcp-reuse-authorizer=maybe", "agent --mcp-reuse-authorizer-mode both"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
