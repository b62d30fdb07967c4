//! What the sample server answers: its tools, one resource, one prompt.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    ContentBlock, ListResourcesResult, PaginatedRequestParams, PromptMessage, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, Role, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, prompt, prompt_handler, prompt_router, tool_handler};
use schemars::JsonSchema;
use serde::Deserialize;

use super::tools::SampleTools;

/// The one resource.
const WELCOME: &str = "sample://welcome";

#[tool_handler(router = self.tools)]
#[prompt_handler(router = self.prompts)]
impl ServerHandler for SampleTools {
    fn get_info(&self) -> ServerConfig {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        ServerConfig::new(capabilities).with_instructions(
            "A sample server: notes for organizations, and tools that show what reached it.",
        )
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let welcome = Resource::new(WELCOME, "welcome")
            .with_description("A greeting to read")
            .with_mime_type("text/plain");
        Ok(ListResourcesResult::with_all_items(vec![welcome]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != WELCOME {
            return Err(ErrorData::resource_not_found("there is no such resource", None));
        }
        let text = ResourceContents::text("Welcome to the sample server.", WELCOME);
        Ok(ReadResourceResult::new(vec![text.with_mime_type("text/plain")]).into())
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Topic {
    /// What the notes to sum up are about.
    topic: String,
}

#[prompt_router(vis = "pub(super)")]
impl SampleTools {
    #[prompt(description = "Asks for a summary of the notes on a topic")]
    fn sum_up_notes(&self, Parameters(Topic { topic }): Parameters<Topic>) -> Vec<PromptMessage> {
        let ask = format!("List the notes of the organization and sum up what they say about {topic}.");
        vec![PromptMessage::new(Role::User, ContentBlock::text(ask))]
    }
}
