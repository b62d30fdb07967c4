//! A Bearward in front of a server: the same tour at another URL, and with a token.

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::Result;
use crate::process::{Running, free_address};
use crate::tools::Tools;

const READY_WITHIN: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// The running guard. Stops when dropped.
#[derive(Debug)]
pub struct Guarded {
    /// The resource, which is where to call and what tokens must be issued for.
    pub resource: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its metrics and health.
    pub admin: SocketAddr,
    /// The process.
    pub process: Running,
    _folder: TempDir,
}

/// `bearward serve` in front of `upstream`, trusting `issuer`; waits until it is ready.
///
/// # Errors
/// When it refuses its configuration or does not become ready in time.
pub async fn guarded(tools: &Tools, upstream: &str, issuer: &str) -> Result<Guarded> {
    guarded_at(tools, free_address()?, upstream, issuer).await
}

/// The same, at an address of the caller's choice: in the place of one that was stopped.
///
/// # Errors
/// As [`guarded`].
pub async fn guarded_at(tools: &Tools, address: SocketAddr, upstream: &str, issuer: &str) -> Result<Guarded> {
    let admin = free_address()?;
    let resource = format!("http://{address}/mcp");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bearward.yaml");
    tokio::fs::write(&file, configuration(address, admin, &resource, upstream, issuer)).await?;
    let mut command = Command::new(&tools.bearward);
    command.arg("serve").arg("--config").arg(&file).args(["--log", "trace"]).current_dir(folder.path());
    let mut process = Running::start("bearward serve", &mut command)?;
    process.until_listening(address).await?;
    until_ready(&process, admin).await?;
    Ok(Guarded { resource, address, admin, process, _folder: folder })
}

impl Guarded {
    /// Stops it and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(mut self) -> Result<()> {
        self.process.terminate().await?;
        self.process.until_ended(READY_WITHIN).await.map(drop)
    }
}

fn configuration(
    listen: SocketAddr,
    admin: SocketAddr,
    resource: &str,
    upstream: &str,
    issuer: &str,
) -> String {
    format!(
        "server:\n  listen: {listen}\n  admin: {admin}\n\
         guards:\n  - resource: {resource}\n    upstream: {{url: {upstream}}}\n    realm: mcp\n    \
         issuers:\n      - issuer: {issuer}\n        audience: {resource}\n    \
         scopes: {{required: [mcp], supported: [mcp]}}\n"
    )
}

async fn until_ready(process: &Running, admin: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        let answer = reqwest::get(format!("http://{admin}/readyz")).await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(process.error("was not ready in time"));
        }
        sleep(LOOK_AGAIN).await;
    }
}
