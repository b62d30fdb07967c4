//! The tools of the sample server.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::request::Parts;
use rmcp::handler::server::router::prompt::PromptRouter;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Waits;
use super::headers::shown;

/// Longest that `wait_for_cancel` waits.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How many characters of the notes API's error a caller is told.
const MOST_OF_AN_ERROR: usize = 500;

/// Answers MCP requests; one for each session or stateless request, sharing its state.
#[derive(Debug, Clone)]
pub(super) struct SampleTools {
    notes: Option<String>,
    client: reqwest::Client,
    waits: Arc<Waits>,
    pub(super) tools: ToolRouter<Self>,
    pub(super) prompts: PromptRouter<Self>,
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
    pub(super) fn new(notes: Option<String>, client: reqwest::Client, waits: Arc<Waits>) -> Self {
        Self { notes, client, waits, tools: Self::tool_router(), prompts: Self::prompt_router() }
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
        context: RequestContext<RoleServer>,
    ) -> String {
        for step in 1..=n {
            tokio::select! {
                () = context.ct.cancelled() => return format!("cancelled before {step}"),
                () = tokio::time::sleep(Duration::from_millis(delay_ms)) => {}
            }
            if let Some(token) = context.meta.get_progress_token() {
                let progress =
                    ProgressNotificationParam::new(token, f64::from(step)).with_total(f64::from(n));
                // A caller that cannot be told does not stop the count; only one that cancels does.
                let _ = context.peer.notify_progress(progress).await;
            }
        }
        format!("counted to {n}")
    }

    #[tool(description = "Tells which headers reached the server, secrets as hashes")]
    fn whoami(&self, Extension(parts): Extension<Parts>) -> String {
        json!(shown(&parts.headers)).to_string()
    }

    #[tool(description = "Lists the notes of your organization")]
    async fn list_notes(&self) -> Result<String, String> {
        self.notes_api(reqwest::Method::GET, None).await
    }

    #[tool(description = "Adds a note for your organization")]
    async fn add_note(&self, Parameters(note): Parameters<NewNote>) -> Result<String, String> {
        self.notes_api(reqwest::Method::POST, Some(json!({"title": note.title, "text": note.text}))).await
    }

    #[tool(description = "Waits until its caller goes away")]
    async fn wait_for_cancel(&self, context: RequestContext<RoleServer>) -> String {
        let mut waiting = Waiting::begin(&self.waits);
        tokio::select! {
            () = context.ct.cancelled() => "cancelled".into(),
            () = tokio::time::sleep(LONGEST_WAIT) => {
                waiting.in_vain = true;
                "nobody went away".into()
            }
        }
    }

    /// An ordinary request, without any credential and without anything of the caller's.
    async fn notes_api(&self, method: reqwest::Method, body: Option<Value>) -> Result<String, String> {
        let failed = |why: String| format!("the notes API did not help: {why}");
        let base = self.notes.as_ref().ok_or_else(|| failed("no base URL is configured".into()))?;
        let mut request = self.client.request(method, format!("{base}/notes"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(|error| failed(error.without_url().to_string()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| failed(error.without_url().to_string()))?;
        if status.is_success() {
            return Ok(text);
        }
        let said: String = text.chars().take(MOST_OF_AN_ERROR).collect();
        Err(failed(format!("status {status}: {said}")))
    }
}

/// One call that waits. Counts as cancelled however it ends, but for its own patience: some cancellations
/// tell the tool, others just drop it.
struct Waiting<'a> {
    waits: &'a Waits,
    in_vain: bool,
}

impl<'a> Waiting<'a> {
    fn begin(waits: &'a Waits) -> Self {
        waits.waiting.fetch_add(1, Ordering::SeqCst);
        Self { waits, in_vain: false }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waits.waiting.fetch_sub(1, Ordering::SeqCst);
        if !self.in_vain {
            self.waits.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}
