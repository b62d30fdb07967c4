//! The tools of the sample server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::request::Parts;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ProgressNotificationParam, RequestMetaObject, ServerCapabilities, ServerConfig};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, Peer, RoleServer, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::McpState;

/// Longest that `wait_for_cancel` waits.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Answers MCP requests; one for each session or stateless request, sharing its state.
#[derive(Debug, Clone)]
pub(super) struct SampleTools {
    notes: Option<String>,
    client: reqwest::Client,
    state: Arc<McpState>,
    #[allow(dead_code, reason = "the tool_handler macro reads it")]
    tool_router: ToolRouter<Self>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Text {
    /// What to say back.
    text: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Two {
    /// The first number.
    a: i64,
    /// The second number.
    b: i64,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Count {
    /// How far.
    n: u32,
    /// Pause between two steps, in milliseconds.
    #[serde(default)]
    delay_ms: u64,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct NewNote {
    /// The note's title.
    title: String,
    /// The note's text.
    #[serde(default)]
    text: String,
}

#[tool_router]
impl SampleTools {
    pub(super) fn new(notes: Option<String>, state: Arc<McpState>) -> Self {
        Self { notes, client: reqwest::Client::new(), state, tool_router: Self::tool_router() }
    }

    #[tool(description = "Says back what it was told")]
    fn echo(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        text
    }

    #[tool(description = "Adds two numbers")]
    fn add(&self, Parameters(Two { a, b }): Parameters<Two>) -> Result<String, ErrorData> {
        let sum = a.checked_add(b).ok_or_else(|| ErrorData::invalid_params("the sum is too large", None))?;
        Ok(sum.to_string())
    }

    #[tool(description = "Counts, and reports progress at every step")]
    async fn count_to(
        &self,
        Parameters(Count { n, delay_ms }): Parameters<Count>,
        meta: RequestMetaObject,
        client: Peer<RoleServer>,
    ) -> String {
        for step in 1..=n {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            if let Some(token) = meta.get_progress_token() {
                let progress =
                    ProgressNotificationParam::new(token, f64::from(step)).with_total(f64::from(n));
                // A caller that is gone gets no progress; the count goes on until it is cancelled.
                let _ = client.notify_progress(progress).await;
            }
        }
        format!("counted to {n}")
    }

    #[tool(description = "Tells which headers reached the server, secrets as hashes")]
    fn whoami(&self, Extension(parts): Extension<Parts>) -> String {
        let mut seen = BTreeMap::new();
        for (name, value) in &parts.headers {
            let shown = if name == "authorization" || name == "cookie" {
                let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, value.as_bytes());
                format!("sha256:{}", hex::encode(hash))
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            seen.insert(name.to_string(), shown);
        }
        json!(seen).to_string()
    }

    #[tool(description = "Lists the notes of your organization")]
    async fn list_notes(&self) -> Result<String, ErrorData> {
        self.notes_api(reqwest::Method::GET, None).await
    }

    #[tool(description = "Adds a note for your organization")]
    async fn add_note(&self, Parameters(note): Parameters<NewNote>) -> Result<String, ErrorData> {
        self.notes_api(reqwest::Method::POST, Some(json!({"title": note.title, "text": note.text}))).await
    }

    #[tool(description = "Waits until its caller goes away")]
    async fn wait_for_cancel(&self, context: RequestContext<RoleServer>) -> String {
        tokio::select! {
            () = context.ct.cancelled() => {
                self.state.cancelled.fetch_add(1, Ordering::SeqCst);
                "cancelled".into()
            }
            () = tokio::time::sleep(LONGEST_WAIT) => "nobody went away".into(),
        }
    }

    /// An ordinary request, without any credential.
    async fn notes_api(&self, method: reqwest::Method, body: Option<Value>) -> Result<String, ErrorData> {
        let failed =
            |why: String| ErrorData::internal_error(format!("the notes API did not help: {why}"), None);
        let base = self.notes.as_ref().ok_or_else(|| failed("no base URL is configured".into()))?;
        let mut request = self.client.request(method, format!("{base}/notes"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(|error| failed(error.without_url().to_string()))?;
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        if status.is_success() { Ok(text) } else { Err(failed(format!("status {status}: {text}"))) }
    }
}

#[tool_handler]
impl ServerHandler for SampleTools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build()).with_instructions(
            "A sample server: notes for organizations, and tools that show what reached it.",
        )
    }
}
