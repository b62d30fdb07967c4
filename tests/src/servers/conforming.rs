//! A server of the official Python SDK with everything that the conformance suite asks a server for.

use tokio::process::Command;

use crate::Result;
use crate::process::{Running, free_address};
use crate::tools::{Tools, own_file};

/// The running server. Stops when dropped.
#[derive(Debug)]
pub struct Conforming {
    /// Its endpoint.
    pub url: String,
    /// The process.
    pub process: Running,
}

impl Conforming {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(tools: &Tools) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(&tools.python);
        command.arg(own_file("servers/conforming/server.py")).arg(address.port().to_string());
        let mut process = Running::start("conforming server", &mut command)?;
        process.until_listening(address).await?;
        Ok(Self { url: format!("http://{address}/mcp"), process })
    }
}
