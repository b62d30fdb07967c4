//! A real MCP client, on `rmcp`: connects, lists, calls, and remembers the progress it was told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rmcp::model::{
    CallToolRequestParams, ClientConfig, JsonObject, ProgressNotificationParam, ProtocolVersion,
};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::Value;

/// Which generation of the protocol to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// `initialize` and a session (up to 2025-11-25).
    Sessions,
    /// Stateless (2026-07-28).
    Stateless,
}

/// A connected client.
pub struct McpClient {
    running: RunningService<RoleClient, Recorder>,
    progress: Arc<Mutex<Vec<f64>>>,
}

/// What went wrong, in the client's own words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ClientError(String);

impl McpClient {
    /// Connects with a token, or without one.
    ///
    /// # Errors
    /// What the client says, such as that the server wants authorization.
    pub async fn connect(url: &str, token: Option<&str>, era: Era) -> Result<Self, ClientError> {
        let mut config = StreamableHttpClientTransportConfig::with_uri(url);
        if let Some(token) = token {
            config = config.auth_header(token);
        }
        let lifecycle = match era {
            Era::Sessions => ClientLifecycleMode::Initialize,
            Era::Stateless => {
                ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
            }
        };
        let progress = Arc::new(Mutex::new(Vec::new()));
        let recorder = Recorder { progress: progress.clone(), config: ClientConfig::default() };
        let transport = StreamableHttpClientTransport::from_config(config);
        let running = recorder.serve_with_lifecycle(transport, lifecycle).await.map_err(failed)?;
        Ok(Self { running, progress })
    }

    /// The names of all tools.
    ///
    /// # Errors
    /// What the client says.
    pub async fn tools(&self) -> Result<Vec<String>, ClientError> {
        let tools = self.running.peer().list_all_tools().await.map_err(failed)?;
        Ok(tools.into_iter().map(|tool| tool.name.into_owned()).collect())
    }

    /// Calls a tool; the text of its answer.
    ///
    /// # Errors
    /// What the client or the tool says.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<String, ClientError> {
        let arguments: JsonObject = serde_json::from_value(arguments).map_err(failed)?;
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let result = self.running.call_tool(params).await.map_err(failed)?;
        let text: Vec<_> =
            result.content.iter().filter_map(|block| block.as_text()).map(|t| t.text.clone()).collect();
        match result.is_error {
            Some(true) => Err(ClientError(text.join("\n"))),
            _ => Ok(text.join("\n")),
        }
    }

    /// The progress values that arrived so far.
    pub fn progress(&self) -> Vec<f64> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The progress values, once there are `count` of them, or after five seconds those that came. The client hands
    /// notifications on beside answers, so the last may come after the answer of its call.
    pub async fn progress_of(&self, count: usize) -> Vec<f64> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.progress().len() < count && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.progress()
    }

    /// Ends the connection, and the session if there is one.
    pub async fn close(self) {
        // Whether the goodbye arrived makes no difference here.
        let _ = self.running.cancel().await;
    }
}

/// Remembers progress.
struct Recorder {
    progress: Arc<Mutex<Vec<f64>>>,
    config: ClientConfig,
}

impl ClientHandler for Recorder {
    fn get_info(&self) -> ClientConfig {
        self.config.clone()
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).push(params.progress);
    }
}

/// The whole chain of causes: the interesting one is usually the innermost.
fn failed(error: impl std::error::Error) -> ClientError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    ClientError(text)
}
