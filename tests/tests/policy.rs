//! Rules for single methods and names, with real MCP clients of both eras and with requests that try to get around.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::net::SocketAddr;

use axum::Router;
use axum::http::Uri;
use axum::response::IntoResponse;
use axum::routing::any;
use bearward_testbed::client::{Era, McpClient};
use bearward_testbed::served::Served;
use bearward_tests::stage::{Plan, Stage};
use serde_json::{Value, json};

const RULES: &str = "    scopes: {required: [mcp], implied: {admin: ['notes:write']}}
    rules:
      - {methods: [tools/call], names: ['add_*'], scopes: ['notes:write']}
      - {methods: [tools/call], names: [whoami], roles: [ops]}
      - {methods: ['prompts/*'], scopes: [prompts]}";

async fn stage() -> Stage {
    Stage::with(Plan { guard: RULES.into(), ..Plan::default() }).await
}

fn token(stage: &Stage, scope: &str, roles: &[&str]) -> String {
    stage.issuer.token_for(&stage.resource).scope(scope).claim("roles", roles.to_vec()).build()
}

fn call(name: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": name, "arguments": {"title": "t"}}})
}

/// A stateless request as a client of the newest revision sends it.
async fn send(stage: &Stage, token: &str, body: String, headers: &[(&str, &str)]) -> (u16, String, Value) {
    let request = stage.post(token).header("mcp-protocol-version", "2026-07-28").body(body);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = request.send().await.unwrap();
    let challenge =
        answer.headers().get("www-authenticate").map_or("", |value| value.to_str().unwrap()).to_owned();
    let status = answer.status().as_u16();
    (status, challenge, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
}

// SPEC RS-6
#[tokio::test]
async fn a_call_without_its_scopes_is_a_403_with_all_of_them_and_never_reaches_the_server() {
    let stage = stage().await;
    let names = [("mcp-method", "tools/call"), ("mcp-name", "add_note")];
    let (status, challenge, body) =
        send(&stage, &token(&stage, "mcp", &[]), call("add_note").to_string(), &names).await;
    assert_eq!((status, &body["id"], &body["error"]["code"]), (403, &json!(3), &json!(-32000)));
    assert!(
        challenge.contains(r#"error="insufficient_scope""#)
            && challenge.contains(r#"scope="mcp notes:write""#),
        "{challenge}"
    );
    assert!(stage.mcp.received().is_empty());
    for scope in ["mcp notes:write", "mcp admin"] {
        let client = McpClient::connect(&stage.resource, Some(&token(&stage, scope, &[])), Era::Stateless)
            .await
            .unwrap();
        assert!(client.call("add_note", json!({"title": "t"})).await.is_ok(), "{scope}");
    }
}

#[tokio::test]
async fn a_call_without_its_role_is_a_403_that_asks_for_no_other_token() {
    let stage = stage().await;
    let names = [("mcp-method", "tools/call"), ("mcp-name", "whoami")];
    let (status, challenge, _) =
        send(&stage, &token(&stage, "mcp", &["dev"]), call("whoami").to_string(), &names).await;
    assert_eq!(status, 403);
    assert!(!challenge.contains("error="), "{challenge}");
    let client = McpClient::connect(&stage.resource, Some(&token(&stage, "mcp", &["ops"])), Era::Stateless)
        .await
        .unwrap();
    assert!(client.call("whoami", json!({})).await.is_ok());
}

// SPEC PX-2
#[tokio::test]
async fn headers_that_do_not_say_what_the_body_says_are_refused() {
    let stage = stage().await;
    let token = token(&stage, "mcp", &[]);
    for headers in [
        &[][..],
        &[("mcp-method", "tools/call")],
        &[("mcp-method", "tools/list"), ("mcp-name", "add_note")],
        &[("mcp-method", "tools/call"), ("mcp-name", "echo")],
    ] {
        let (status, _, body) = send(&stage, &token, call("add_note").to_string(), headers).await;
        assert_eq!(
            (status, &body["error"]["code"], &body["id"]),
            (400, &json!(-32020), &json!(3)),
            "{headers:?}"
        );
    }
    assert!(stage.mcp.received().is_empty());
}

// SPEC PX-3
#[tokio::test]
async fn a_body_is_judged_by_what_any_parser_could_read_in_it() {
    let stage = stage().await;
    let token = token(&stage, "mcp", &[]);
    let post = async |body: &str| {
        let answer = stage.post(&token).header("mcp-protocol-version", "2025-03-26").body(body.to_owned());
        answer.send().await.unwrap().status().as_u16()
    };
    for (body, status) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note","arguments":{}}}"#,
            403,
        ),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add_note"}}]"#,
            403,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"add_note"}}"#,
            400,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","Name":"add_note"}}"#, 400),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["add_note"]}}"#, 400),
        ("not json", 400),
        ("", 400),
    ] {
        assert_eq!(post(body).await, status, "{body}");
    }
    assert!(stage.mcp.received().is_empty());
}

#[tokio::test]
async fn a_caller_is_shown_only_what_it_may_use_in_both_eras() {
    let stage = stage().await;
    for era in [Era::Sessions, Era::Stateless] {
        for (scope, roles, hidden) in [
            ("mcp", &[][..], &["add_note", "whoami"][..]),
            ("mcp notes:write", &[], &["whoami"]),
            ("mcp admin", &["ops"], &[]),
        ] {
            let client =
                McpClient::connect(&stage.resource, Some(&token(&stage, scope, roles)), era).await.unwrap();
            let tools = client.tools().await.unwrap();
            assert!(tools.contains(&"echo".to_owned()), "{era:?} {scope}: {tools:?}");
            for name in ["add_note", "whoami"] {
                assert_eq!(
                    tools.contains(&name.to_owned()),
                    !hidden.contains(&name),
                    "{era:?} {scope}: {name} in {tools:?}"
                );
            }
            client.close().await;
        }
    }
}

#[tokio::test]
async fn a_rule_for_a_whole_method_hides_all_that_the_method_is_for() {
    let rules = "    rules: [{methods: [tools/call], scopes: ['notes:write']}]";
    let stage = Stage::with(Plan { guard: rules.into(), ..Plan::default() }).await;
    for era in [Era::Sessions, Era::Stateless] {
        for (scope, is_shown) in [("mcp", false), ("notes:write", true)] {
            let client =
                McpClient::connect(&stage.resource, Some(&token(&stage, scope, &[])), era).await.unwrap();
            let tools = client.tools().await.unwrap();
            assert_eq!(!tools.is_empty(), is_shown, "{era:?} {scope}: {tools:?}");
            client.close().await;
        }
    }
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"add_note"}]}}"#;

/// A server that shows a tool at every path, each time in another odd form, or says something else.
async fn shows_oddly() -> Served {
    let answer = |uri: Uri| async move {
        let (status, kind, coding, body) = match uri.path() {
            "/mcp/plain" => (200, "application/json", "identity", LIST.to_owned()),
            "/mcp/suffix" => (200, "application/mcp+json", "identity", LIST.to_owned()),
            "/mcp/marked" => (200, "text/event-stream", "identity", format!("\u{feff}data: {LIST}\n\n")),
            "/mcp/returns" => (200, "text/event-stream", "identity", format!("data: {LIST}\r\r")),
            "/mcp/twice" => {
                let first = LIST.replace("}}", r#"},"result":{}}"#);
                (200, "application/json", "identity", first)
            }
            "/mcp/gzip" => (200, "application/json", "gzip", LIST.to_owned()),
            "/mcp/text" => (200, "text/plain", "identity", LIST.to_owned()),
            "/mcp/rpc" => (200, "application/json-rpc", "identity", LIST.to_owned()),
            "/mcp/wrong" => (406, "text/plain", "identity", "Not Acceptable".to_owned()),
            "/mcp/zipped-error" => (500, "text/html", "gzip", "zipped".to_owned()),
            "/mcp/taken" => (202, "text/plain", "identity", "Accepted".to_owned()),
            _ => (200, "text/html", "identity", String::new()),
        };
        let status = axum::http::StatusCode::from_u16(status).unwrap();
        (status, [("content-type", kind), ("content-encoding", coding)], body).into_response()
    };
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Served::start(address, Router::new().fallback(any(answer))).await.unwrap()
}

#[tokio::test]
async fn a_list_in_an_odd_form_is_cut_or_refused_and_what_is_no_list_passes() {
    let server = shows_oddly().await;
    let upstream = format!("url: 'http://{}/mcp'", server.address());
    let plan = Plan { guard: RULES.into(), upstream: Some(upstream), ..Plan::default() };
    let stage = Stage::with(plan).await;
    let list = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/list"}).to_string();
    for (path, status, said) in [
        ("plain", 200, r#""tools":[]"#),
        ("suffix", 200, r#""tools":[]"#),
        ("marked", 200, r#""tools":[]"#),
        ("returns", 200, r#""tools":[]"#),
        ("twice", 200, r#""tools":[]"#),
        ("gzip", 502, r#""id":3"#),
        ("text", 502, r#""id":3"#),
        ("rpc", 502, r#""id":3"#),
        ("wrong", 406, "Not Acceptable"),
        ("zipped-error", 500, "zipped"),
        ("taken", 202, ""),
        ("empty", 200, ""),
    ] {
        let request = stage.http.post(format!("{}/{path}", stage.resource));
        let request = request.bearer_auth(token(&stage, "mcp", &[])).body(list.clone());
        let request = request.header("content-type", "application/json");
        let answer = request.header("mcp-protocol-version", "2025-03-26").send().await.unwrap();
        let (found, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(found, status, "{path}: {text}");
        assert!(text.contains(said) && !text.contains("add_note"), "{path}: {text}");
    }
}

// SPEC PX-5
#[tokio::test]
async fn with_rules_events_still_arrive_one_by_one() {
    let stage = stage().await;
    let client =
        McpClient::connect(&stage.resource, Some(&token(&stage, "mcp", &[])), Era::Stateless).await.unwrap();
    let call = client.call("count_to", json!({"n": 5, "delay_ms": 100}));
    let first = async {
        bearward_tests::stage::eventually("the first step", || async { !client.progress().is_empty() }).await;
        client.progress().len()
    };
    let (counted, so_far) = tokio::join!(call, first);
    assert_eq!(counted.unwrap(), "counted to 5");
    assert!(so_far < 5, "{so_far} steps had come when the first was seen");
}
