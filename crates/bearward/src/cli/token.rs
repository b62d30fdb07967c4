//! `bearward token`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::exit::Exit;
use super::operator::Desk;
use super::output::print;
use crate::config::duration;

/// Print a provider's token, for scripts and CI.
///
/// The server that runs here is asked, through `server.adminSocket`: then nothing is fetched that it has already. Where
/// none runs, the token is asked for as the configuration says. Only the token is printed, with a line break behind it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bearward token --provider notes-api\n  \
                        curl -H \"$(bearward token --provider notes-api --header)\" https://api.example.com/v1/notes\n  \
                        bearward token --json --min-ttl 5m\n\n\
                        Exit codes: 0 printed, 1 the authorization server refuses, 2 wrong usage or configuration, \
                        3 nobody answers")]
pub struct Token {
    /// Whose token; needed when there are several providers.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The configuration file; without one `bearward.yaml`.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print a whole header: `Authorization: Bearer …`.
    #[arg(long, conflicts_with = "json")]
    header: bool,
    /// Print one JSON document, with the time that the token has left.
    #[arg(long)]
    json: bool,
    /// Time that the token should have left, such as `5m`: waits for a new one where the current one has less, at most at
    /// half of the life of the old one.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    min_ttl: Duration,
}

impl Token {
    pub(super) fn run(self) -> Exit {
        let desk = Desk::open(self.config.as_deref(), self.provider.as_deref());
        let given = match desk.and_then(|desk| desk.token(self.min_ttl)) {
            Ok(given) => given,
            Err(refused) => return refused.tell(),
        };
        let token = &given.access_token;
        match (self.header, self.json) {
            (true, _) => print(&format!("Authorization: Bearer {token}\n")),
            (_, true) => {
                let document =
                    json!({"access_token": token, "token_type": "Bearer", "expires_in": given.expires_in});
                print(&format!("{document}\n"))
            }
            _ => print(&format!("{token}\n")),
        }
    }
}
