//! The command line.

mod admin_socket;
pub mod completions;
pub mod config;
pub mod demo;
pub mod exit;
pub mod keygen;
mod loading;
pub mod logging;
pub mod logout;
mod operator;
mod output;
mod running;
pub mod serve;
pub mod token;
pub mod verify;

use clap::{Parser, Subcommand};

use exit::Exit;

/// The bearer-token layer for the Model Context Protocol.
///
/// Bearward verifies every token that arrives at an MCP server and supplies every token that leaves.
#[derive(Debug, Parser)]
#[command(
    name = "bearward",
    version,
    after_help = "Start here:\n  bearward demo                        see it work, without any configuration\n  \
                  bearward config check bearward.yaml  judge a configuration\n  \
                  bearward serve --config bearward.yaml\n  \
                  bearward verify --file token.txt     why a token is let in, or not\n\n\
                  Exit codes: 0 done, 1 refused or failed check, 2 wrong usage or configuration, 3 something outside failed"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Guard MCP servers and supply tokens, as a configuration file says.
    Serve(serve::Serve),
    /// Show everything at work in one process, with an authorization server and an MCP server of its own.
    Demo(demo::Demo),
    /// Explain what a guard makes of a token.
    Verify(verify::Verify),
    /// Print a provider's token.
    Token(token::Token),
    /// End a provider's login.
    Logout(logout::Logout),
    /// Judge a configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make a new random key.
    Keygen(keygen::Keygen),
    /// Print completions for a shell.
    Completions(completions::Completions),
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> Exit {
        match self.command {
            Command::Serve(serve) => serve.run(),
            Command::Demo(demo) => demo.run(),
            Command::Verify(verify) => verify.run(),
            Command::Token(token) => token.run(),
            Command::Logout(logout) => logout.run(),
            Command::Config(config) => config.run(),
            Command::Keygen(keygen) => keygen.run(),
            Command::Completions(completions) => completions.run(),
        }
    }
}
