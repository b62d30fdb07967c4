//! An authorization server that no one here wrote: its tokens pass, and its keys may rotate.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use bearward_testbed::mcp::SampleMcpServer;
use bearward_tests::caller::{Caller, Era, Tour};
use bearward_tests::guarded::{Guarded, guarded, guarded_at};
use bearward_tests::servers::OidcProvider;
use bearward_tests::tools::Tools;
use serde_json::json;

#[tokio::test]
async fn tokens_of_oidc_provider_for_the_resource_pass_and_those_for_another_do_not() {
    let test = "tokens_of_oidc_provider_for_the_resource_pass_and_those_for_another_do_not";
    let Some(tools) = Tools::find(test) else { return };
    let (issuer, guard, _server) = world(&tools).await;
    let token = issuer.token_for(&guard.resource).await.unwrap();
    let tour = Tour {
        url: &guard.resource,
        token: &token,
        era: Era::Legacy,
        tool: "echo",
        arguments: json!({"text": "hello"}),
    };
    let seen = Caller::Python.take(&tools, &tour).await.unwrap();
    assert_eq!(seen.text, "hello", "{seen:?}\n{}", guard.process.output());
    let for_another = issuer.token_for("http://127.0.0.1:1/mcp").await.unwrap();
    assert_eq!(status(&guard, &for_another).await, 401, "SPEC RS-5");
    assert!(!guard.process.output().contains(&token), "HARD 20");
}

#[tokio::test]
async fn a_token_under_a_key_that_is_new_since_the_start_passes_and_so_does_one_under_the_old_key() {
    let test = "a_token_under_a_key_that_is_new_since_the_start_passes_and_so_does_one_under_the_old_key";
    let Some(tools) = Tools::find(test) else { return };
    let (issuer, guard, _server) = world(&tools).await;
    let old = issuer.token_for(&guard.resource).await.unwrap();
    assert_eq!(status(&guard, &old).await, 200);
    issuer.rotate().await.unwrap();
    let new = issuer.token_for(&guard.resource).await.unwrap();
    // SPEC JW-2: an unknown `kid` fetches the keys once.
    assert_eq!(status(&guard, &new).await, 200, "{}", guard.process.output());
    let old_again = issuer.token_for(&guard.resource).await.unwrap();
    assert_eq!(status(&guard, &old_again).await, 200);
    assert_eq!(status(&guard, &old).await, 200);
}

#[tokio::test]
async fn a_guard_that_starts_after_the_withdrawal_of_a_key_refuses_tokens_under_it() {
    let test = "a_guard_that_starts_after_the_withdrawal_of_a_key_refuses_tokens_under_it";
    let Some(tools) = Tools::find(test) else { return };
    // A guard that knows the key shows that the token is good in everything else.
    let (issuer, first, server) = world(&tools).await;
    let old = issuer.token_for(&first.resource).await.unwrap();
    assert_eq!(status(&first, &old).await, 200);
    let address = first.address;
    first.stop().await.unwrap();
    issuer.rotate().await.unwrap();
    issuer.withdraw().await.unwrap();
    let guard = guarded_at(&tools, address, &server.url(), &issuer.issuer).await.unwrap();
    assert_eq!(status(&guard, &old).await, 401, "SPEC JW-3");
    let metrics =
        reqwest::get(format!("http://{}/metrics", guard.admin)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("unknown_key"), "refused by its key: {metrics}");
    let new = issuer.token_for(&guard.resource).await.unwrap();
    assert_eq!(status(&guard, &new).await, 200, "{}", guard.process.output());
}

async fn world(tools: &Tools) -> (OidcProvider, Guarded, SampleMcpServer) {
    let issuer = OidcProvider::start(tools).await.unwrap();
    let server = SampleMcpServer::builder().start().await.unwrap();
    let guard = guarded(tools, &server.url(), &issuer.issuer).await.unwrap();
    (issuer, guard, server)
}

/// The status of an `initialize` with this token.
async fn status(guard: &Guarded, token: &str) -> u16 {
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "0"}}});
    let request = reqwest::Client::new()
        .post(&guard.resource)
        .bearer_auth(token)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(hello.to_string());
    request.send().await.unwrap().status().as_u16()
}
