//! A guarded MCP server under good and bad input, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::time::Duration;

use bearward_observe::{Event, Rejection};
use bearward_testbed::AuthorizationServer;
use bearward_testbed::client::{Era, McpClient};
use bearward_tests::stage::{INIT, NOTES, Plan, Stage, eventually, issuer, raw};
use http::StatusCode;
use serde_json::{Value, json};

// SPEC RS-3, RS-4, RS-5: each for its own reason, with a challenge and a JSON-RPC error
#[tokio::test]
async fn bad_tokens_never_reach_the_server_behind() {
    let stage = Stage::new().await;
    let good = || stage.issuer.token_for(&stage.resource);
    let stranger = AuthorizationServer::builder().start().await.unwrap();
    let other_audience = stage.issuer.token_for("https://other.example").build();
    let other_issuer = stranger.token_for(&stage.resource).build();
    let hmac = good().signed_with_public_key_as_secret().build();
    let send = |token: Option<String>, query: &str| {
        let url = format!("{}{query}", stage.resource);
        let request = stage.http.post(url).body(INIT);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        async move { request.send().await.unwrap() }
    };
    let (none, invalid, malformed) = ("", "invalid_token", "invalid_request");
    let cases = [
        ("no token", None, "", 401, none, Rejection::NoToken),
        ("garbage", Some("garbage".into()), "", 401, invalid, Rejection::Malformed),
        (
            "wrong signature",
            Some(good().with_garbage_signature().build()),
            "",
            401,
            invalid,
            Rejection::Signature,
        ),
        ("wrong audience", Some(other_audience), "", 401, invalid, Rejection::Audience),
        ("expired", Some(good().claim("exp", 1).build()), "", 401, invalid, Rejection::Expired),
        ("other issuer", Some(other_issuer), "", 401, invalid, Rejection::Issuer),
        ("alg none", Some(good().unsigned().build()), "", 401, invalid, Rejection::Signature),
        ("HMAC with the public key", Some(hmac), "", 401, invalid, Rejection::Algorithm),
        ("in the query alone", None, "?access_token=abc", 401, none, Rejection::TokenInQuery),
        (
            "in the query, too",
            Some(good().build()),
            "?access_token=abc",
            400,
            malformed,
            Rejection::TokenInQuery,
        ),
    ];
    let mut events = stage.observer.follow();
    for (name, token, query, status, error, reason) in cases {
        let answer = send(token, query).await;
        assert_eq!(answer.status(), status, "{name}");
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(challenge.contains("resource_metadata=\"http://"), "{name}: {challenge}");
        let says_error = challenge.contains("error=");
        assert_eq!(says_error, !error.is_empty(), "{name}: {challenge}");
        assert!(!says_error || challenge.contains(&format!("error=\"{error}\"")), "{name}: {challenge}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{name}");
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(body["jsonrpc"], "2.0", "{name}");
        assert!(body["error"]["message"].is_string(), "{name}");
        match events.recv().await.unwrap() {
            Event::AuthRejected { reason: said, .. } => assert_eq!(said, reason, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(stage.mcp.received().is_empty(), "nothing of it arrived behind");
}

// SPEC RS-4
#[tokio::test]
async fn two_authorization_headers_are_a_bad_request() {
    let stage = Stage::new().await;
    let address =
        stage.resource.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap().parse().unwrap();
    let token = stage.token();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let answer = raw(address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("invalid_request"), "{answer}");
}

// SPEC PX-8
#[tokio::test]
async fn oversized_and_smuggled_requests_are_refused() {
    let stage = Stage::with(Plan { guard: "    maxBody: 1KiB".into(), ..Plan::default() }).await;
    let address =
        stage.resource.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap().parse().unwrap();
    let token = stage.token();

    let huge =
        format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Huge: {}\r\n\r\n", "x".repeat(1024 * 1024));
    let answer = raw(address, huge.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}");

    let declared = stage.post(&token).body("x".repeat(2000)).send().await.unwrap();
    assert_eq!(declared.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let chunk = format!("7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2000));
    let chunked = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n{chunk}"
    );
    let answer = raw(address, chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");

    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
    );
    for (name, rest) in [
        ("two lengths", "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
        ("twice the same length", "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
        ("length and chunks", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        ("chunks and length", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        ("chunks of chunks", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("bare CR", "X-Bare: a\rb\r\nContent-Length: 2\r\n\r\n{}"),
        ("bare CR instead of a line end", "X-Bare: a\rContent-Length: 2\r\n\r\n{}"),
        ("folded header", "X-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\n{}"),
        ("space before the colon", "X-Space : a\r\nContent-Length: 2\r\n\r\n{}"),
        ("bad chunk", "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
        ("unknown coding", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ] {
        let answer = raw(address, format!("{head}{rest}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{name}: {answer}");
    }
    assert!(stage.mcp.received().is_empty(), "nothing of it arrived behind");
}

#[tokio::test]
async fn a_server_behind_that_is_down_is_a_502_with_the_requests_id_and_no_secret() {
    let stage =
        Stage::with(Plan { upstream: Some("url: 'http://127.0.0.1:9/mcp'".into()), ..Plan::default() }).await;
    let token = stage.token();
    let answer = stage.post(&token).body(INIT).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    let text = answer.text().await.unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["id"], 7);
    assert!(!text.contains(&token) && !text.contains("127.0.0.1:9"), "{text}");
}

// HARD 18
#[tokio::test]
async fn with_the_issuer_down_at_start_it_is_alive_not_ready_and_recovers_alone() {
    let stage = Stage::with(Plan { issuer_down: true, ..Plan::default() }).await;
    let alive = stage.http.get(format!("{}/healthz", stage.admin)).send().await.unwrap();
    assert_eq!(alive.status(), StatusCode::OK);
    let mut named = String::new();
    eventually("the failure is named", || async {
        let (status, body) = stage.ready().await;
        status == 503 && body.contains("cannot connect")
    })
    .await;
    let (_, body) = stage.ready().await;
    let report: Value = serde_json::from_str(&body).unwrap();
    for part in report["parts"].as_array().unwrap() {
        named += part["name"].as_str().unwrap();
        named += " ";
    }
    assert!(named.contains("issuer http://127.0.0.1:") && named.contains("notes-api"), "{named}");

    // A good token is not the caller's fault: no 401, which would send it to log in.
    let identifier = named.split("issuer ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let address = identifier.strip_prefix("http://").unwrap().parse().unwrap();
    let token = stage.issuer.token_for(&stage.resource).claim("iss", identifier).build();
    let answer = stage.post(&token).body(INIT).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));

    let back = issuer().address(address).keys(stage.issuer.keys().clone()).start().await.unwrap();
    stage.until_ready().await;
    assert_eq!(stage.post(&token).body(INIT).send().await.unwrap().status(), StatusCode::OK);
    drop(back);
}

// SPEC RS-8, PX-4, PX-7, HARD 27
#[tokio::test]
async fn what_must_not_cross_does_not_and_what_must_does() {
    let stage = Stage::new().await;
    let answer = stage
        .post(&stage.token())
        .header("cookie", "session=1")
        .header("x-tb-tenant-id", "evil")
        .header("x_tb_tenant_id", "evil")
        .header("x-bearward-identity", "evil")
        .header("x-forwarded-for", "6.6.6.6")
        .header("mcp-param-color", "blue")
        .header("x-own", "kept")
        .body(INIT)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let received = stage.mcp.received();
    let headers = received.last().unwrap();
    for name in ["authorization", "cookie", "x-tb-tenant-id", "x_tb_tenant_id", "x-bearward-identity"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert_eq!(headers["mcp-param-color"], "blue");
    assert_eq!(headers["x-own"], "kept");
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert!(stage.mcp.url().contains(headers["host"].to_str().unwrap()), "the upstream's own name");
}

// SPEC PX-7, RS-9
#[tokio::test]
async fn a_session_is_for_the_caller_that_opened_it_alone() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.token_of("alice"), stage.token_of("bob"));
    let opened = stage.post(&alice).body(INIT).send().await.unwrap();
    let session = opened.headers()["mcp-session-id"].clone();
    let list = |token: &str, session: &http::HeaderValue| {
        stage
            .post(token)
            .header("mcp-session-id", session)
            .header("mcp-protocol-version", "2025-06-18")
            .body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
            .send()
    };
    assert_eq!(list(&bob, &session).await.unwrap().status(), StatusCode::NOT_FOUND);
    let invented = http::HeaderValue::from_static("invented");
    assert_eq!(list(&alice, &invented).await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(list(&alice, &session).await.unwrap().status(), StatusCode::OK);

    // Only its owner can end it; afterwards it is nobody's.
    let end = |token: &str| {
        stage.http.delete(&stage.resource).bearer_auth(token).header("mcp-session-id", &session).send()
    };
    assert_eq!(end(&bob).await.unwrap().status(), StatusCode::NOT_FOUND);
    assert!(end(&alice).await.unwrap().status().is_success());
    assert_eq!(list(&alice, &session).await.unwrap().status(), StatusCode::NOT_FOUND);
}

// SPEC RS-10
#[tokio::test]
async fn a_web_page_of_another_site_is_refused_also_by_another_name_for_this_machine() {
    let stage = Stage::new().await;
    let token = stage.token();
    let foreign =
        stage.post(&token).header("origin", "https://evil.example").body(INIT).send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let rebound = stage.post(&token).header("host", "evil.example").body(INIT).send().await.unwrap();
    assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    let local = stage.post(&token).header("origin", "http://localhost:5173").body(INIT).send().await.unwrap();
    assert_eq!(local.status(), StatusCode::OK);
}

// SPEC PX-6
#[tokio::test]
async fn a_caller_that_goes_away_cancels_the_request_behind() {
    let stage = Stage::new().await;
    let client = McpClient::connect(&stage.resource, Some(&stage.token()), Era::Stateless).await.unwrap();
    let call = tokio::spawn(async move { client.call("wait_for_cancel", json!({})).await });
    eventually("underway behind", || async { stage.mcp.waiting() == 1 }).await;
    call.abort();
    eventually("cancelled behind", || async { stage.mcp.cancelled() == 1 }).await;
}

// SPEC PX-5
#[tokio::test]
async fn progress_arrives_one_by_one_and_not_at_the_end() {
    let stage = Stage::new().await;
    let client = McpClient::connect(&stage.resource, Some(&stage.token()), Era::Stateless).await.unwrap();
    let client = std::sync::Arc::new(client);
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.call("count_to", json!({"n": 3, "delay_ms": 400})).await }
    });
    eventually("the first step", || async { client.progress().len() == 1 }).await;
    assert!(!call.is_finished(), "the answer is still to come");
    assert_eq!(call.await.unwrap().unwrap(), "counted to 3");
}

// SPEC PX-5
#[tokio::test]
async fn an_event_stream_ends_when_its_token_dies() {
    let stage = Stage::with(Plan { guard: "    streamGrace: 0s".into(), ..Plan::default() }).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let token = stage.issuer.token_for(&stage.resource).claim("exp", now + 2).build();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "count_to", "arguments": {"n": 200, "delay_ms": 100}, "_meta": {
            "progressToken": 1,
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {}}}});
    let answer = stage
        .post(&token)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "count_to")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let read =
        tokio::time::timeout(Duration::from_secs(50), answer.text()).await.expect("the stream must end");
    let events = read.expect("it ends cleanly").matches("notifications/progress").count();
    // The token lives for 2 s and the skew of 30 s is the verifier's mercy, not the stream's.
    assert!((5..=40).contains(&events), "{events} steps of a tenth of a second each");
}

// SPEC PX-9, HARD 15
#[tokio::test]
async fn a_refused_credential_of_ours_is_replaced_once_and_never_a_401_for_the_caller() {
    let plan = Plan { upstream: Some("url: 'NOTES/echo', provider: notes-api".into()), ..Plan::default() };
    let stage = Stage::with(plan).await;
    let token = stage.token();
    let asked = || stage.issuer.counts().snapshot().grant("client_credentials");
    assert_eq!(stage.post(&token).body("{}").send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(asked(), 1);

    stage.notes.refuse_next(1, StatusCode::UNAUTHORIZED);
    assert_eq!(stage.post(&token).body("{}").send().await.unwrap().status(), StatusCode::OK, "retried");
    assert_eq!(asked(), 2);

    stage.notes.refuse_next(1000, StatusCode::UNAUTHORIZED);
    for _ in 0..10 {
        let answer = stage.post(&token).body("{}").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        assert!(!answer.headers().contains_key("www-authenticate"));
    }
    assert_eq!(asked(), 2, "a lasting storm costs no more requests within the cooldown");
    let seen = stage.notes.seen();
    assert!(seen.iter().all(|seen| seen.subject == "bearward" && seen.tenant == "acme"), "{seen:?}");
}

// Issue: the sidecar
#[tokio::test]
async fn a_program_beside_it_reaches_the_provider_with_a_token_it_never_had() {
    let stage = Stage::new().await;
    let body = "x".repeat(600 * 1024);
    let small = stage.http.post(format!("{}/notes-api/echo", stage.egress)).body("hi").send().await.unwrap();
    assert_eq!(small.status(), StatusCode::OK);
    let large = stage
        .http
        .post(format!("{}/notes-api/echo", stage.egress))
        .bearer_auth("an old static token")
        .body(body.clone())
        .send()
        .await
        .unwrap();
    let echoed: Value = serde_json::from_str(&large.text().await.unwrap()).unwrap();
    assert_eq!(
        (&echoed["length"], &echoed["contentLength"]),
        (&json!(body.len()), &json!(body.len().to_string()))
    );
    assert_eq!(stage.notes.seen().len(), 2);

    let unknown = stage.http.get(format!("{}/other/x", stage.egress)).send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert!(unknown.text().await.unwrap().contains("notes-api"), "it says which there are");
    let page =
        stage.http.get(format!("{}/notes-api/notes", stage.egress)).header("sec-fetch-site", "cross-site");
    assert_eq!(page.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let rebound = stage.http.get(format!("{}/notes-api/notes", stage.egress)).header("host", "evil.example");
    assert_eq!(rebound.send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

// SPEC PX-5
#[tokio::test]
async fn the_sidecar_streams_as_it_comes() {
    let stage = Stage::new().await;
    let url = format!("{}/notes-api/stream?n=3&interval_ms=500", stage.egress);
    let mut answer = stage.http.get(url).send().await.unwrap();
    let started = std::time::Instant::now();
    assert_eq!(&answer.chunk().await.unwrap().unwrap()[..], b"line 0\n");
    assert!(started.elapsed() < Duration::from_millis(400), "the first line did not wait for the others");
    let mut rest = Vec::new();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    assert_eq!(rest, b"line 1\nline 2\n");
}

// SPEC RS-1
#[tokio::test]
async fn the_metadata_is_at_the_resources_path_and_at_the_root_for_the_only_resource() {
    let stage = Stage::new().await;
    let origin = stage.resource.strip_suffix("/mcp").unwrap();
    for path in ["/mcp", ""] {
        let url = format!("{origin}/.well-known/oauth-protected-resource{path}");
        let answer = stage.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let document: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(document["resource"], stage.resource);
        assert_eq!(document["authorization_servers"], json!([stage.issuer.issuer()]));
    }
    let other =
        stage.http.get(format!("{origin}/.well-known/oauth-protected-resource/other")).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        stage.http.get(format!("{origin}/elsewhere")).send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
}

// HARD 18, DESIGN "Outbound": the notes audience is configured
#[tokio::test]
async fn the_token_that_leaves_is_for_the_providers_audience_and_asked_for_once() {
    let stage = Stage::new().await;
    for _ in 0..20 {
        let answer = stage.http.get(format!("{}/notes-api/notes", stage.egress)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "a token for {NOTES}");
    }
    assert_eq!(stage.issuer.counts().snapshot().grant("client_credentials"), 1);
}
