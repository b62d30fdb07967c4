//! `bearward keygen`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::json;

use super::exit::Exit;
use super::output::print;

/// Make a new random key of 256 bits.
///
/// For the sealing key of `state.key`, `tenantHeaders.secret`, or a client's secret. It is printed once and kept
/// nowhere.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bearward keygen > tenant-key && chmod 600 tenant-key\n  bearward keygen --hex"
)]
pub struct Keygen {
    /// Print hexadecimal digits instead of base64url.
    #[arg(long)]
    hex: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

impl Keygen {
    pub(super) fn run(self) -> Exit {
        let mut bytes = [0; 32];
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            eprintln!("this machine gives no randomness: no key can be made");
            return Exit::Outside;
        }
        let key = if self.hex { hex::encode(bytes) } else { URL_SAFE_NO_PAD.encode(bytes) };
        let encoding = if self.hex { "hex" } else { "base64url" };
        match self.json {
            true => print(&format!("{}\n", json!({"key": key, "bits": 256, "encoding": encoding}))),
            false => print(&format!("{key}\n")),
        }
    }
}
