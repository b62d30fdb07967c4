//! `rmcp`'s own client with the user's login, at a real MCP server that takes the session's tokens alone.

use bearward_client::mcp::McpClient;
use bearward_testbed::mcp::SampleMcpServer;
use http::StatusCode;
use http::header::AUTHORIZATION;
use rmcp::model::{CallToolRequestParams, ClientConfig, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};

use crate::scene::{Scene, bearer};

async fn server() -> SampleMcpServer {
    SampleMcpServer::builder().require_bearer(|token| token.starts_with("token-")).start().await.unwrap()
}

fn scene_at(url: &str) -> Scene {
    let mut scene = Scene::new();
    scene.provider.allow_insecure = true;
    scene.provider.origins = vec![url.trim_end_matches("/mcp").parse().unwrap()];
    scene
}

async fn connect(
    scene: &Scene,
    url: &str,
    lifecycle: ClientLifecycleMode,
) -> Result<RunningService<RoleClient, ClientConfig>, String> {
    let client = McpClient::new(scene.reuse(), reqwest::Client::builder().no_proxy()).unwrap();
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    let transport = StreamableHttpClientTransport::with_client(client, config);
    ClientConfig::default()
        .serve_with_lifecycle(transport, lifecycle)
        .await
        .map_err(|error| error.to_string())
}

async fn echo(client: &RunningService<RoleClient, ClientConfig>) -> String {
    let arguments = serde_json::from_str(r#"{"text": "hello"}"#).unwrap();
    let call = CallToolRequestParams::new("echo").with_arguments(arguments);
    let result = client.call_tool(call).await.unwrap();
    result.content.iter().filter_map(|block| block.as_text()).map(|text| text.text.clone()).collect()
}

fn last_authorization(server: &SampleMcpServer) -> Option<String> {
    Some(server.received().last()?.get(AUTHORIZATION)?.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_real_mcp_client_of_either_era_calls_with_the_users_token_and_survives_its_refusal() {
    let stateless = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    for (era, status) in [(ClientLifecycleMode::Initialize, 401), (stateless, 419)] {
        let server = server().await;
        let scene = scene_at(&server.url());
        let client = connect(&scene, &server.url(), era).await.unwrap();
        assert!(echo(&client).await.contains("hello"));
        assert_eq!(last_authorization(&server), bearer(1));
        server.refuse_next(1, StatusCode::from_u16(status).unwrap());
        assert!(echo(&client).await.contains("hello"), "{status}");
        assert_eq!(last_authorization(&server), bearer(2));
        assert_eq!(scene.asked(), ["exchange", "refresh"]);
        client.cancel().await.unwrap();
        server.stop().await;
    }
}

#[tokio::test]
async fn where_a_guard_says_no_a_real_client_says_why_and_nothing_arrives() {
    let server = server().await;
    let mut scene = scene_at(&server.url());
    scene.provider.allow_insecure = false;
    let error = connect(&scene, &server.url(), ClientLifecycleMode::Initialize).await.unwrap_err();
    assert!(error.contains("auth_scheme_blocked"), "{error}");
    assert_eq!((server.received().len(), scene.asked().len()), (0, 0));
    server.stop().await;
}
