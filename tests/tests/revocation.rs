//! Revoked in mid-session: by the admin API, by the issuer's back-channel logout and security events, by a file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::time::Duration;

use bearward_testbed::client::{Era, McpClient};
use bearward_tests::stage::{Plan, Stage, eventually};
use serde_json::{Value, json};

const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

async fn status(stage: &Stage, token: &str) -> u16 {
    stage.post(token).send().await.unwrap().status().as_u16()
}

async fn api(stage: &Stage, method: reqwest::Method, body: Value) -> (u16, Value) {
    let request = stage.http.request(method, format!("{}/api/revocations", stage.admin));
    let answer =
        request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
}

// HARD 23
#[tokio::test]
async fn a_token_that_the_admin_api_revokes_is_refused_on_the_next_request_whatever_the_cache_holds() {
    let stage = Stage::new().await;
    let token = |id: &str| stage.issuer.token_for(&stage.resource).claim("jti", id).build();
    let (revoked, other) = (token("one"), token("two"));
    assert_eq!((status(&stage, &revoked).await, status(&stage, &other).await), (200, 200));
    assert_eq!(api(&stage, reqwest::Method::POST, json!({"jti": "one"})).await.0, 204);
    assert_eq!((status(&stage, &revoked).await, status(&stage, &other).await), (401, 200));
    let (_, listed) = api(&stage, reqwest::Method::GET, json!(null)).await;
    assert_eq!((&listed[0]["jti"], &listed[0]["source"]), (&json!("one"), &json!("api")));
    assert_eq!(api(&stage, reqwest::Method::DELETE, json!({"jti": "one"})).await.0, 204);
    assert_eq!(status(&stage, &revoked).await, 200);
    assert_eq!(api(&stage, reqwest::Method::DELETE, json!({"jti": "one"})).await.0, 404);
    let metrics =
        stage.http.get(format!("{}/metrics", stage.admin)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("revoked"), "{metrics}");
}

#[tokio::test]
async fn the_admin_api_explains_what_is_wrong_and_listens_to_no_page_of_another_site() {
    let stage = Stage::new().await;
    for body in [json!({}), json!({"jti": "a", "sid": "b"}), json!({"jit": "a"})] {
        let (status, answer) = api(&stage, reqwest::Method::POST, body.clone()).await;
        assert!(status == 422 && answer["error"].is_string(), "{body}: {status} {answer}");
    }
    let url = format!("{}/api/revocations", stage.admin);
    let page = stage
        .http
        .post(&url)
        .header("origin", "https://evil.example")
        .header("content-type", "application/json");
    assert_eq!(page.body(r#"{"sub":"alice"}"#).send().await.unwrap().status(), 403);
    let simple = stage.http.post(&url).header("content-type", "text/plain").body(r#"{"sub":"alice"}"#);
    assert_eq!(simple.send().await.unwrap().status(), 415);
    let rebound = stage.http.get(&url).header("host", "evil.example");
    assert_eq!(rebound.send().await.unwrap().status(), 403);
    assert_eq!(api(&stage, reqwest::Method::GET, json!(null)).await.1, json!([]));
}

// SPEC PX-5, HARD 23
#[tokio::test]
async fn an_open_stream_ends_when_its_token_is_revoked() {
    let stage = Stage::new().await;
    let client = McpClient::connect(&stage.resource, Some(&stage.token()), Era::Stateless).await.unwrap();
    let call = client.call("count_to", json!({"n": 600, "delay_ms": 100}));
    let revoke = async {
        eventually("the first step", || async { !client.progress().is_empty() }).await;
        assert_eq!(api(&stage, reqwest::Method::POST, json!({"sub": "alice"})).await.0, 204);
    };
    let both = async { tokio::join!(call, revoke) };
    let (outcome, ()) =
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("the stream must end");
    assert!(outcome.is_err(), "{outcome:?}");
}

async fn listening() -> Stage {
    let issuers = "    scopes: {}\n  - resource: ORIGIN/other\n    upstream: {url: 'MCP'}\n    issuers:
      - {issuer: 'ISSUER', backchannelLogout: {audience: our-client}, securityEvents: {audience: ['https://mcp.example.com']}}";
    Stage::with(Plan { guard: issuers.into(), ..Plan::default() }).await
}

async fn send(stage: &Stage, path: &str, kind: &str, body: String) -> u16 {
    let origin = stage.resource.strip_suffix("/mcp").unwrap();
    let request = stage.http.post(format!("{origin}{path}")).header("content-type", kind).body(body);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_logout_at_the_issuer_ends_the_session_here() {
    let stage = listening().await;
    let session = |sid: &str| stage.issuer.token_for(&stage.resource).claim("sid", sid).build();
    let (mine, other) = (session("s1"), session("s2"));
    assert_eq!((status(&stage, &mine).await, status(&stage, &other).await), (200, 200));
    let logout = stage.issuer.token_for("our-client").header("typ", "logout+jwt").claim("sid", "s1");
    let logout = logout.claim("events", json!({LOGOUT: {}})).without("exp");
    let form = "application/x-www-form-urlencoded";
    let path = "/auth/backchannel-logout";
    for (body, kind, expected) in [
        ("logout_token=garbage".to_owned(), form, 400),
        (format!("logout_token={}", logout.clone().with_garbage_signature().build()), form, 400),
        (format!("logout_token={}", logout.clone().audience("another").build()), form, 400),
        (String::new(), form, 400),
        (format!("logout_token={}", logout.build()), "text/plain", 415),
        (format!("logout_token={mine}"), form, 400),
    ] {
        assert_eq!(send(&stage, path, kind, body.clone()).await, expected, "{body}");
    }
    assert_eq!(status(&stage, &mine).await, 200);
    assert_eq!(send(&stage, path, form, format!("logout_token={}", logout.build())).await, 200);
    assert_eq!((status(&stage, &mine).await, status(&stage, &other).await), (401, 200));
    let get = stage
        .http
        .get(format!("{}{path}", stage.resource.strip_suffix("/mcp").unwrap()))
        .send()
        .await
        .unwrap();
    assert_eq!(get.status(), 405);
}

#[tokio::test]
async fn a_security_event_ends_everything_of_its_subject_so_far() {
    let stage = listening().await;
    let token = |subject: &str| stage.issuer.token_for(&stage.resource).subject(subject).build();
    let (alice, bob) = (token("alice"), token("bob"));
    let subject = json!({"format": "iss_sub", "iss": stage.issuer.issuer(), "sub": "alice"});
    let event = stage
        .issuer
        .token_for("https://mcp.example.com")
        .header("typ", "secevent+jwt")
        .without("sub")
        .without("exp");
    let event = event.claim("sub_id", subject).claim("events", json!({SESSION_REVOKED: {}}));
    let (path, kind) = ("/auth/security-events", "application/secevent+jwt");
    assert_eq!(send(&stage, path, kind, event.clone().audience("another").build()).await, 400);
    assert_eq!((status(&stage, &alice).await, status(&stage, &bob).await), (200, 200));
    assert_eq!(send(&stage, path, kind, event.build()).await, 202);
    assert_eq!((status(&stage, &alice).await, status(&stage, &bob).await), (401, 200));
}

#[tokio::test]
async fn without_an_issuer_that_sends_events_nobody_takes_any() {
    let stage = Stage::new().await;
    assert_eq!(
        send(&stage, "/auth/backchannel-logout", "application/x-www-form-urlencoded", String::new()).await,
        404
    );
}
