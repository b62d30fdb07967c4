//! What the guard costs: the same call directly and through it, in turn, over kept connections.
//!
//! Everything runs in this one process, so the figures are for comparing with each other, not with others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on fails"
)]

use std::time::{Duration, Instant};

use bearward_tests::stage::Stage;
use serde_json::json;

/// Calls before counting begins.
const WARM_UP: usize = 200;
/// Calls that count, each way.
const CALLS: usize = 3000;

#[tokio::main]
async fn main() {
    let stage = Stage::new().await;
    let token = stage.token();
    let (direct_url, guarded_url) = (stage.mcp.url(), stage.resource.clone());
    let (mut direct, mut guarded) = (Vec::with_capacity(CALLS), Vec::with_capacity(CALLS));
    for round in 0..WARM_UP + CALLS {
        // In turn, so that a drift of the machine's speed hits both alike.
        let (plain, through) =
            (call(&stage, &direct_url, "").await, call(&stage, &guarded_url, &token).await);
        if round >= WARM_UP {
            direct.push(plain);
            guarded.push(through);
        }
    }
    direct.sort_unstable();
    guarded.sort_unstable();
    println!("{CALLS} calls of a small tool each way, one at a time, one kept connection");
    println!("{:<10}{:>12}{:>12}{:>12}", "", "direct", "guarded", "overhead");
    for (name, share) in [("p50", 0.50), ("p90", 0.90), ("p99", 0.99)] {
        let at = |times: &[Duration]| times[(share * (times.len() - 1) as f64) as usize];
        let (plain, through) = (at(&direct), at(&guarded));
        let overhead = through.saturating_sub(plain);
        println!(
            "{name:<10}{:>9} µs{:>9} µs{:>9} µs",
            plain.as_micros(),
            through.as_micros(),
            overhead.as_micros()
        );
    }
    stage.bearward.stop().await;
}

async fn call(stage: &Stage, url: &str, token: &str) -> Duration {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "add", "arguments": {"a": 1, "b": 2}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {}}}});
    let request = stage
        .http
        .post(url)
        .bearer_auth(token)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "add")
        .body(body.to_string());
    let started = Instant::now();
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    let took = started.elapsed();
    assert!(status.is_success() && text.contains('3'), "{status} {text}");
    took
}
