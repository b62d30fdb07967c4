//! `@modelcontextprotocol/server-everything`, the reference server of the field; sessions only.

use tokio::process::Command;

use crate::Result;
use crate::process::{Running, free_address};
use crate::tools::Tools;

/// The running server. Stops when dropped.
#[derive(Debug)]
pub struct Everything {
    /// Its endpoint.
    pub url: String,
    /// The process.
    pub process: Running,
}

impl Everything {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(tools: &Tools) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(&tools.node);
        command
            .arg(tools.package("@modelcontextprotocol/server-everything/dist/index.js"))
            .arg("streamableHttp")
            .env("PORT", address.port().to_string());
        let mut process = Running::start("server-everything", &mut command)?;
        process.until_listening(address).await?;
        Ok(Self { url: format!("http://{address}/mcp"), process })
    }
}
