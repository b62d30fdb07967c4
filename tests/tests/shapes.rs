//! Requests that two servers in a row could read differently, and pages that may call: over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::net::SocketAddr;

use bearward_tests::stage::{INIT, Plan, Stage, raw};
use http::{Method, StatusCode};
use serde_json::{Value, json};

fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").unwrap().split('/').next().unwrap().parse().unwrap()
}

// RFC 9110 §9.3.8
#[tokio::test]
async fn a_request_that_would_send_our_credential_back_is_refused_on_both_sides() {
    let stage = Stage::new().await;
    let token = stage.token();
    for method in ["TRACE", "CONNECT"] {
        let inbound = format!(
            "{method} /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        let egress =
            format!("{method} /notes-api/notes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        for (url, request) in [(&stage.resource, inbound), (&stage.egress, egress)] {
            let answer = raw(address(url), request.as_bytes()).await;
            let is_refused = answer.starts_with("HTTP/1.1 405") || answer.starts_with("HTTP/1.1 400");
            assert!(is_refused, "{method} {url}: {answer}");
        }
    }
    assert!(stage.mcp.received().is_empty() && stage.notes.seen().is_empty());
}

// SPEC PX-8
#[tokio::test]
async fn a_request_names_one_host_and_a_huge_head_is_told_so() {
    let stage = Stage::new().await;
    let send = async |lines: &str| {
        let request = format!("POST /mcp HTTP/1.1\r\n{lines}Content-Length: 0\r\nConnection: close\r\n\r\n");
        raw(address(&stage.resource), request.as_bytes()).await
    };
    assert!(send("Host: localhost\r\n").await.starts_with("HTTP/1.1 401"));
    assert!(send("Host: localhost\r\nHost: localhost\r\n").await.starts_with("HTTP/1.1 400"));
    assert!(send("").await.starts_with("HTTP/1.1 400"));
    assert!(send("Host: evil.example\r\n").await.starts_with("HTTP/1.1 403"));
    let huge = format!("Host: localhost\r\nX-Huge: {}\r\n", "x".repeat(70 * 1024));
    assert!(send(&huge).await.starts_with("HTTP/1.1 431"));
    assert!(stage.mcp.received().is_empty());
}

#[tokio::test]
async fn a_nearer_guard_is_not_walked_around_by_another_spelling() {
    let guard =
        "  - resource: ORIGIN/mcp/admin\n    upstream: {url: 'MCP'}\n    issuers: [{issuer: 'ISSUER'}]";
    let stage = Stage::with(Plan { guard: guard.into(), ..Plan::default() }).await;
    let token = stage.token();
    assert_eq!(stage.post(&token).send().await.unwrap().status(), StatusCode::OK);
    let origin = stage.resource.strip_suffix("/mcp").unwrap();
    let arrived = stage.mcp.received().len();
    for (path, status) in [
        // The wider guard's token does not open the nearer one.
        ("/mcp/admin", 401),
        ("/mcp/admin/x", 401),
        ("/mcp/%61dmin", 400),
        ("/mcp//admin", 400),
        ("/mcp/admin;x", 400),
        ("/mcp/./admin", 400),
        ("/mcp/x%2f..%2fadmin", 400),
        ("/mcp/ADMIN", 404),
        ("/MCP/admin", 404),
        ("/MCP", 404),
    ] {
        // As it is: a client library would write it plainly first.
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n");
        let rest = format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{INIT}",
            INIT.len()
        );
        let answer = raw(address(origin), format!("{head}{rest}").as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
    assert_eq!(stage.mcp.received().len(), arrived, "nothing of it arrived behind");
}

// SPEC PX-7, HARD 27
#[tokio::test]
async fn a_session_of_another_is_out_of_reach_also_in_a_spelling_that_some_servers_fold() {
    let stage = Stage::new().await;
    let opened = stage.post(&stage.token_of("alice")).send().await.unwrap();
    let session = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    for (name, status) in [("mcp-session-id", 404), ("mcp_session_id", 200)] {
        let before = stage.mcp.received().len();
        let request = stage.post(&stage.token_of("bob")).header(name, &session);
        let answer = request.body(list.clone()).send().await.unwrap();
        assert!(
            answer.status() == status || answer.status().is_client_error(),
            "{name}: {}",
            answer.status()
        );
        let arrived = stage.mcp.received().split_off(before);
        assert!(
            arrived.iter().all(|headers| headers.values().all(|value| value != session.as_str())),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_session_does_not_follow_its_user_into_another_organization() {
    let stage = Stage::new().await;
    let of = |tenant: &str| stage.issuer.token_for(&stage.resource).claim("org_id", tenant).build();
    let opened = stage.post(&of("acme")).send().await.unwrap();
    let session = opened.headers()["mcp-session-id"].clone();
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    for (tenant, status) in [("acme", 200), ("other", 404)] {
        let request = stage.post(&of(tenant)).header("mcp-session-id", &session);
        assert_eq!(request.body(ping.clone()).send().await.unwrap().status(), status, "{tenant}");
    }
}

// SPEC RS-10
#[tokio::test]
async fn a_page_of_a_welcome_origin_can_call_and_read_and_one_of_another_cannot() {
    let plan = Plan { guard: "    allowedOrigins: ['https://app.example.com']".into(), ..Plan::default() };
    let stage = Stage::with(plan).await;
    let preflight = |url: &str, origin: &str| {
        let request = stage.http.request(reqwest::Method::OPTIONS, url).header("origin", origin);
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,mcp-protocol-version")
            .send()
    };
    let answer = preflight(&stage.resource, "https://app.example.com").await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example.com");
    assert_eq!(answer.headers()["access-control-allow-headers"], "authorization,mcp-protocol-version");
    let answer = preflight(&stage.resource, "https://evil.example").await.unwrap();
    assert_eq!(answer.status(), 403);
    assert!(answer.headers().get("access-control-allow-origin").is_none());

    let token = stage.token();
    let good = stage.post(&token).header("origin", "https://app.example.com");
    let refused = stage.post("garbage").header("origin", "https://app.example.com");
    for (request, status) in [(good, 200), (refused, 401)] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example.com");
        let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap();
        assert!(exposed.contains("WWW-Authenticate") && exposed.contains("Mcp-Session-Id"), "{exposed}");
    }

    // The metadata is for everybody.
    let origin = stage.resource.strip_suffix("/mcp").unwrap();
    let metadata = format!("{origin}/.well-known/oauth-protected-resource/mcp");
    let answer = preflight(&metadata, "https://any.example").await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["access-control-allow-origin"]),
        (204, &"*".parse().unwrap())
    );
}

// HARD 21
#[tokio::test]
async fn guards_that_trust_the_same_issuer_share_its_keys() {
    let guard = "  - resource: ORIGIN/other\n    upstream: {url: 'MCP'}\n    issuers: [{issuer: 'ISSUER'}]";
    let stage = Stage::with(Plan { guard: guard.into(), ..Plan::default() }).await;
    let asked = stage.issuer.counts().snapshot().at(bearward_testbed::authorization_server::Place::Jwks);
    assert_eq!(asked, 1);
    let ready: Value = serde_json::from_str(&stage.ready().await.1).unwrap();
    assert_eq!(ready.to_string().matches("issuer ").count(), 1, "{ready}");
}

// SPEC PX-1
#[tokio::test]
async fn a_guard_that_is_pinned_to_the_newest_revision_takes_post_alone() {
    let pinned = Stage::with(Plan { guard: "    revision: 2026-07-28".into(), ..Plan::default() }).await;
    let open = Stage::new().await;
    for (stage, revision, expected) in
        [(&pinned, "2025-06-18", 405), (&pinned, "2026-07-28", 405), (&open, "2026-07-28", 405)]
    {
        for method in [Method::GET, Method::DELETE] {
            let request = stage.http.request(method.clone(), &stage.resource).bearer_auth(stage.token());
            let answer = request.header("mcp-protocol-version", revision).send().await.unwrap();
            assert_eq!(answer.status(), expected, "{method} {revision}");
            let allowed = answer.headers()["allow"].to_str().unwrap();
            assert!(
                allowed.contains("POST") && !(stage.resource == pinned.resource && allowed.contains("GET"))
            );
        }
        assert!(stage.mcp.received().is_empty(), "none of it arrived behind");
    }
    assert_eq!(pinned.post(&pinned.token()).send().await.unwrap().status(), 200);
    // Older revisions have GET; what the server makes of it is its own affair.
    let get =
        open.http.get(&open.resource).bearer_auth(open.token()).header("mcp-protocol-version", "2025-06-18");
    assert_ne!(get.send().await.unwrap().status(), 405);
    assert_eq!(open.mcp.received().len(), 1);
}

// SPEC PX-3
#[tokio::test]
async fn what_is_not_judged_never_reaches_the_server_whatever_method_or_encoding_carries_it() {
    let rules = "    rules: [{methods: [tools/call], names: ['delete_*'], scopes: [admin]}]";
    let stage = Stage::with(Plan { guard: rules.into(), ..Plan::default() }).await;
    let token = stage.token();
    let call =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note","arguments":{}}}"#;
    let json = ("content-type", "application/json");
    for (method, headers, expected) in [
        ("POST", vec![json], 403),
        ("PUT", vec![json], 405),
        ("PATCH", vec![json], 405),
        ("PROPFIND", vec![json], 405),
        ("post", vec![json], 405),
        ("HEAD", vec![json], 405),
        ("GET", vec![json], 400),
        ("DELETE", vec![json], 400),
        ("GET", vec![json, ("x-http-method-override", "POST")], 400),
        ("POST", vec![("content-type", "application/json; charset=utf-7")], 415),
        ("POST", vec![("content-type", "application/json; charset=utf-16le")], 415),
        ("POST", vec![("content-type", "text/plain")], 415),
        ("POST", vec![json, json], 415),
        ("POST", vec![json, ("content-encoding", "gzip")], 415),
        ("POST", vec![], 415),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = stage.http.request(method.clone(), &stage.resource).bearer_auth(&token).body(call);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        assert_eq!(request.send().await.unwrap().status(), expected, "{method} {headers:?}");
    }
    // UTF-7 hides another name from whoever reads UTF-8.
    let hidden = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","_x":"+ACI-,+ACI-name+ACI-:+ACI-delete_note"}}"#;
    let request = stage.http.post(&stage.resource).bearer_auth(&token).body(hidden);
    let answer = request.header("content-type", "application/json; charset=utf-7").send().await.unwrap();
    assert_eq!(answer.status(), 415);
    assert!(stage.mcp.received().is_empty(), "none of it arrived behind");

    let plain =
        stage.post(&token).header("x-http-method-override", "DELETE").header("x_method_override", "PUT");
    assert_eq!(plain.send().await.unwrap().status(), 200);
    let received = stage.mcp.received();
    let names: Vec<_> = received[0].keys().map(ToString::to_string).collect();
    assert!(names.iter().all(|name| !name.contains("override")), "{names:?}");
}

#[tokio::test]
async fn a_batch_costs_what_its_calls_would_cost_one_by_one() {
    let limits = "    limits: {perSubject: 5/m}";
    let stage = Stage::with(Plan { guard: limits.into(), ..Plan::default() }).await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let send = |token: String, calls: usize| {
        let body = format!(" [{}]", vec![call; calls].join(","));
        stage.post(&token).body(body).send()
    };
    let few = send(stage.token_of("few"), 4).await.unwrap().status();
    assert_ne!(few, 429, "what the server makes of a batch is its own affair");
    assert_ne!(send(stage.token_of("few"), 1).await.unwrap().status(), 429);
    assert_eq!(send(stage.token_of("few"), 1).await.unwrap().status(), 429);
    assert_eq!(send(stage.token_of("many"), 6).await.unwrap().status(), 429);
    assert_eq!(send(stage.token_of("huge"), 101).await.unwrap().status(), 400);
}
