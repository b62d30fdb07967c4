//! The audit trail: what stands in it of each decision, and that it never stands in a request's way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::path::Path;

use bearward_tests::stage::{INIT, Plan, Stage, eventually};
use serde_json::{Value, json};

const RULES: &str = "    rules: [{methods: [tools/call], names: ['delete_*'], scopes: ['notes:delete']}]";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn stage(path: &Path, more: &str, guard: &str) -> Stage {
    let sections = format!("telemetry: {{audit: {{file: '{}'{more}}}}}", path.display());
    Stage::with(Plan { sections, guard: guard.into(), ..Plan::default() }).await
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines, once there are as many.
async fn lines_of(path: &Path, count: usize) -> Vec<Value> {
    eventually("every decision is written", || async { lines(path).len() >= count }).await;
    let lines = lines(path);
    assert_eq!(lines.len(), count, "{lines:?}");
    lines
}

fn call(name: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {}}})
        .to_string()
}

/// Outcome, reason, subject, method and name of a line.
fn told(line: &Value) -> [&str; 5] {
    ["outcome", "reason", "subject", "method", "name"].map(|name| line[name].as_str().unwrap_or("-"))
}

#[tokio::test]
async fn every_decision_is_a_line_with_who_what_and_why_and_without_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let stage = stage(&path, "", RULES).await;
    let token = stage.issuer.token_for(&stage.resource).subject("alice").claim("org_id", "acme").build();
    let expired = stage.issuer.token_for(&stage.resource).claim("exp", 1).build();
    let send = |token: &str, body: String| stage.post(token).header("traceparent", TRACE).body(body).send();
    let batch = format!("[{},{}]", call("list_notes"), call("add_note"));
    for (token, body, status) in
        [(&token, INIT.to_owned(), 200), (&token, call("delete_all"), 403), (&expired, INIT.to_owned(), 401)]
    {
        assert_eq!(send(token, body).await.unwrap().status(), status);
    }
    // What the server behind makes of a batch is its own affair; here each of its calls was decided.
    send(&token, batch).await.unwrap();
    let foreign = stage.post(&token).header("mcp-session-id", "invented").body(call("list_notes")).send();
    assert_eq!(foreign.await.unwrap().status(), 404);
    let page = stage.post(&token).header("origin", "https://evil.example").body(INIT).send();
    assert_eq!(page.await.unwrap().status(), 403);

    let lines = lines_of(&path, 7).await;
    let expected = [
        ["allowed", "-", "alice", "initialize", "-"],
        ["refused", "scope", "alice", "tools/call", "delete_all"],
        ["refused", "expired", "-", "-", "-"],
        ["allowed", "-", "alice", "tools/call", "list_notes"],
        ["allowed", "-", "alice", "tools/call", "add_note"],
        ["refused", "foreign_session", "alice", "-", "-"],
        ["refused", "origin", "-", "-", "-"],
    ];
    assert_eq!(lines.iter().map(told).collect::<Vec<_>>(), expected);
    let first = &lines[0];
    assert_eq!((&first["guard"], &first["issuer"]), (&json!(stage.resource), &json!(stage.issuer.issuer())));
    assert_eq!((&first["tenant"], &first["address"]), (&json!("acme"), &json!("127.0.0.1")));
    assert_eq!(first["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(lines[5].get("trace_id").is_none(), "none was sent");
    let text = std::fs::read_to_string(&path).unwrap();
    for part in token.split('.').chain(expired.split('.')) {
        assert!(!text.contains(part), "{part}");
    }
    assert!(stage.metrics().await.contains("audit_entries_total{outcome=\"written\"} 7"));
}

#[tokio::test]
async fn what_an_observing_guard_would_refuse_is_written_down_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let stage = stage(&path, "", &format!("    mode: observe\n{RULES}")).await;
    for (token, body) in [("garbage", call("list_notes")), (&*stage.token(), call("delete_all"))] {
        stage.post(token).body(body).send().await.unwrap();
    }
    let expected = [
        ["would_refuse", "malformed", "-", "tools/call", "list_notes"],
        ["would_refuse", "scope", "alice", "tools/call", "delete_all"],
    ];
    assert_eq!(lines_of(&path, 2).await.iter().map(told).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn whom_the_operator_hides_is_hidden_and_stays_one_and_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let stage = stage(&path, ", hash: [subject, address], hashKey: {env: HASH_KEY}", "").await;
    for subject in ["alice", "bob", "alice"] {
        assert_eq!(stage.post(&stage.token_of(subject)).send().await.unwrap().status(), 200);
    }
    let lines = lines_of(&path, 3).await;
    assert_eq!(lines[0]["subject"], lines[2]["subject"]);
    assert_ne!(lines[0]["subject"], lines[1]["subject"]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("alice") && !text.contains("bob") && !text.contains("127.0.0.1\""), "{text}");
}

#[tokio::test]
async fn a_full_disk_fails_no_request_and_shows_in_metrics_and_readiness() {
    let stage = stage(Path::new("/dev/full"), "", "").await;
    for _ in 0..20 {
        assert_eq!(stage.post(&stage.token()).send().await.unwrap().status(), 200);
    }
    let failed = || async { stage.metrics().await.contains("audit_entries_total{outcome=\"failed\"} 20") };
    eventually("every lost line is counted", failed).await;
    let (status, ready) = stage.ready().await;
    assert_eq!(status, 200, "it can do its work");
    assert!(ready.contains("decisions are not written down"), "{ready}");
}
