//! The sample MCP server, as a real client sees it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bearward_testbed::client::{Era, McpClient};
use bearward_testbed::mcp::SampleMcpServer;
use serde_json::json;

#[tokio::test]
async fn a_client_of_either_era_lists_and_calls_tools_and_hears_of_progress() {
    let server = SampleMcpServer::builder().start().await.unwrap();
    for era in [Era::Sessions, Era::Stateless] {
        let client = McpClient::connect(&server.url(), None, era).await.unwrap();
        assert!(client.tools().await.unwrap().contains(&"count_to".to_owned()), "{era:?}");
        assert_eq!(client.call("add", json!({"a": 2, "b": 3})).await.unwrap(), "5", "{era:?}");
        assert_eq!(
            client.call("count_to", json!({"n": 3, "delay_ms": 10})).await.unwrap(),
            "counted to 3",
            "{era:?}"
        );
        assert_eq!(client.progress_of(3).await, [1.0, 2.0, 3.0], "{era:?}");
        client.close().await;
    }
}
