//! `bearward logout`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::exit::Exit;
use super::operator::Desk;
use super::output::print;

/// End a provider's login: forget its tokens, and revoke them at the authorization server.
///
/// The server that runs here is asked, through `server.adminSocket`. Succeeds also while the authorization server is down:
/// then it is told later. A provider with a refresh token needs a new one
/// afterwards; one with the client's own credential gets a new token when the next request needs one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bearward logout --provider notes-api\n  bearward logout --json\n\n\
                        Exit codes: 0 ended, 1 refused, 2 wrong usage or configuration, 3 something outside failed")]
pub struct Logout {
    /// Whose login; needed when there are several providers.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The configuration file; without one `bearward.yaml`.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

impl Logout {
    pub(super) fn run(self) -> Exit {
        let desk = Desk::open(self.config.as_deref(), self.provider.as_deref());
        let ended = match desk.and_then(Desk::log_out) {
            Ok(ended) => ended,
            Err(refused) => return refused.tell(),
        };
        if self.json {
            return print(&format!("{}\n", json!({"revoked": ended.revoked})));
        }
        let words = match ended.revoked.as_str() {
            "done" => "logged out; the authorization server has revoked the tokens",
            "queued" => "logged out; the authorization server could not be told, and will be",
            "not_offered" => {
                "logged out here; the authorization server revokes no tokens: what it issued lives until it expires"
            }
            _ => "logged out; there was nothing to revoke",
        };
        print(&format!("✓ {words}\n"))
    }
}
