//! The application's login carries its agents: sign in once, and providers of the same authority take its tokens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use bearward_testbed::authorization_server::{Fault, Place};
use bearward_tests::application::{Application, DRIVE, Visitor};
use bearward_tests::stage::{NOTES, eventually};
use serde_json::{Value, json};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

async fn token_for(visitor: &mut Visitor, provider: &str) -> String {
    let answer = visitor.post("/auth/broker/exchange", &json!({"provider": provider})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["access_token"].as_str().unwrap().to_owned()
}

fn claims(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap()
}

/// What the sidecar answers to a program that has a user's cookies.
async fn through_the_sidecar(app: &Application, visitor: &Visitor, provider: &str) -> u16 {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.get(format!("{}/{provider}/notes", app.egress));
    visitor.with_cookies(request).send().await.unwrap().status().as_u16()
}

/// What the guard answers to a caller with this token and a user's cookies.
async fn through_the_guard(app: &Application, visitor: &Visitor, subject: &str) -> u16 {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let token = app.issuer.token_for(&format!("{}/mcp", app.origin)).subject(subject).build();
    let request = http.post(format!("{}/mcp", app.origin)).bearer_auth(token);
    let request = request.header("content-type", "application/json").body(r#"{"title":"t","text":"x"}"#);
    visitor.with_cookies(request).send().await.unwrap().status().as_u16()
}

fn seen(app: &Application) -> Vec<String> {
    app.notes.seen().into_iter().map(|seen| seen.subject).collect()
}

#[tokio::test]
async fn who_has_signed_in_once_has_tokens_for_every_provider_of_the_same_authority_and_for_no_other() {
    let app = Application::new().await;
    let mut alice = app.signed_in("alice").await;
    let session = alice.get("/auth/session").await;
    assert_eq!(session.body, json!({"authenticated": true, "subject": "alice", "name": "Alice"}));
    let (own, exchanged) =
        (token_for(&mut alice, "notes-api").await, token_for(&mut alice, "drive-api").await);
    assert_eq!((&claims(&own)["sub"], &claims(&own)["aud"]), (&json!("alice"), &json!(NOTES)));
    assert_eq!((&claims(&exchanged)["sub"], &claims(&exchanged)["aud"]), (&json!("alice"), &json!(DRIVE)));
    let foreign = alice.post("/auth/broker/exchange", &json!({"provider": "foreign"})).await;
    assert_eq!(foreign.problem(), (403, "authority-mismatch"));
    let asked = app.issuer.counts().snapshot();
    assert_eq!(
        (asked.grant("authorization_code"), asked.grant(EXCHANGE), asked.grant("refresh_token")),
        (1, 1, 0)
    );
    let metrics = app.metrics().await;
    for line in [
        "auth_token_broker_exchange_total{provider=\"notes-api\",outcome=\"success\"} 1",
        "auth_token_broker_exchange_total{provider=\"drive-api\",outcome=\"success\"} 1",
        "auth_guard_denied_total{provider=\"foreign\",reason=\"auth_authority_mismatch\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn a_programs_request_with_the_users_cookie_leaves_with_the_users_token_and_without_the_cookie() {
    let app = Application::new().await;
    let (alice, bob) = (app.signed_in("alice").await, app.signed_in("bob").await);
    for visitor in [&alice, &bob, &alice] {
        assert_eq!(through_the_sidecar(&app, visitor, "notes-api").await, 200);
    }
    assert_eq!(seen(&app), ["alice", "bob", "alice"]);
    assert_eq!(through_the_sidecar(&app, &alice, "drive-api").await, 200);
    assert_eq!(app.drive.seen()[0].subject, "alice");
    assert_eq!(through_the_sidecar(&app, &app.visitor(), "notes-api").await, 403, "nobody's cookie");
    let mut stale = alice.clone();
    stale.cookies.iter_mut().for_each(|(_, value)| value.replace_range(0..4, "AAAA"));
    assert_eq!(through_the_sidecar(&app, &stale, "notes-api").await, 403, "a cookie that opens nothing");
    assert_eq!(through_the_sidecar(&app, &alice, "foreign").await, 403, "another authority");
    assert_eq!(seen(&app).len(), 3);
}

#[tokio::test]
async fn a_session_whose_own_token_is_not_taken_for_an_exchange_gets_a_newer_one_and_its_request_leaves() {
    let app = Application::new().await;
    let alice = app.signed_in("alice").await;
    let body = serde_json::json!({"error": "invalid_grant"}).to_string();
    app.issuer.faults().next(Place::Token, 1, Fault::Status { status: 400, body, retry_after: None });
    assert_eq!(through_the_sidecar(&app, &alice, "drive-api").await, 200);
    let asked = app.issuer.counts().snapshot();
    assert_eq!((asked.grant("refresh_token"), app.drive.seen()[0].subject.as_str()), (1, "alice"));
}

#[tokio::test]
async fn behind_a_guard_the_session_must_be_the_callers_and_a_caller_without_one_has_its_token_exchanged() {
    let app = Application::new().await;
    let alice = app.signed_in("alice").await;
    assert_eq!(through_the_guard(&app, &alice, "alice").await, 201);
    assert_eq!(app.issuer.counts().snapshot().grant(EXCHANGE), 0, "of the session");
    assert_eq!(through_the_guard(&app, &alice, "bob").await, 403, "the cookie is another user's");
    assert_eq!(through_the_guard(&app, &app.visitor(), "bob").await, 201);
    assert_eq!(app.issuer.counts().snapshot().grant(EXCHANGE), 1, "of the caller's own token");
    assert_eq!(seen(&app), ["alice", "bob"]);
}

// HARD 30
#[tokio::test]
async fn a_session_outlives_the_process_and_nothing_of_it_stands_on_the_disk_to_read() {
    let mut app = Application::new().await;
    let mut alice = app.signed_in("alice").await;
    let first = token_for(&mut alice, "notes-api").await;
    app.restart().await;
    assert!(alice.is_signed_in().await);
    let second = token_for(&mut alice, "notes-api").await;
    assert_ne!(first, second);
    assert_eq!(app.refreshes(), 1);
    let files = std::fs::read_dir(app.state.path().join("records")).unwrap();
    let files: Vec<_> = files.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(files.len() >= 2);
    let cookies = alice.cookies.iter().map(|(_, value)| value.clone());
    for secret in app.issuer.counts().secrets().into_iter().chain(cookies) {
        let is_there = |file: &Vec<u8>| file.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!files.iter().any(is_there), "in plain text");
    }
}

// HARD 14, 30
#[tokio::test]
async fn after_a_logout_the_old_cookie_opens_nothing_anywhere_and_the_issuer_knows() {
    let app = Application::new().await;
    let mut alice = app.signed_in("alice").await;
    token_for(&mut alice, "notes-api").await;
    let before = alice.clone();
    assert_eq!(alice.post("/auth/logout", &json!({})).await.status, 200);
    assert!(!alice.is_signed_in().await && alice.cookies.is_empty());
    let mut replayed = before;
    assert!(!replayed.is_signed_in().await);
    let answer = replayed.post("/auth/broker/exchange", &json!({"provider": "notes-api"})).await;
    assert_eq!(answer.problem(), (401, "login-required"));
    assert_eq!(through_the_sidecar(&app, &replayed, "notes-api").await, 403);
    assert!(app.issuer.counts().snapshot().at(Place::Revocation) >= 1);
}

#[tokio::test]
async fn a_logout_at_the_issuer_ends_the_session_here_in_mid_flight() {
    let app = Application::new().await;
    let (mut alice, mut bob) = (app.signed_in("alice").await, app.signed_in("bob").await);
    token_for(&mut alice, "notes-api").await;
    let logout = app.issuer.token_for("app").header("typ", "logout+jwt").subject("alice");
    let logout = logout.claim("events", json!({LOGOUT: {}})).without("exp").without("sid");
    let told = |token: String| {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.post(format!("{}/auth/backchannel-logout", app.origin));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        async move { request.body(format!("logout_token={token}")).send().await.unwrap().status().as_u16() }
    };
    assert_eq!(told(logout.clone().with_garbage_signature().build()).await, 400);
    assert!(alice.is_signed_in().await);
    assert_eq!(told(logout.build()).await, 200);
    assert!(!alice.is_signed_in().await);
    let answer = alice.post("/auth/broker/exchange", &json!({"provider": "notes-api"})).await;
    assert_eq!(answer.problem(), (401, "login-required"));
    assert!(bob.is_signed_in().await);
}

#[tokio::test]
async fn where_reuse_is_off_no_request_carries_the_users_token() {
    let app = Application::with(", reuseAuthorizer: false", "").await;
    let alice = app.signed_in("alice").await;
    assert_eq!(through_the_sidecar(&app, &alice, "notes-api").await, 403);
    assert_eq!(through_the_guard(&app, &app.visitor(), "alice").await, 403, "nor one that is exchanged");
    assert_eq!(app.issuer.counts().snapshot().grant(EXCHANGE), 0);
    assert!(app.metrics().await.contains("reason=\"auth_reuse_disabled\"} 2"));
}

// HARD 29
#[tokio::test]
async fn a_page_of_another_site_gets_nothing_done() {
    let app = Application::new().await;
    let mut alice = app.signed_in("alice").await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let before = app.issuer.counts().snapshot();
    for path in ["/auth/broker/exchange", "/auth/broker/refresh", "/auth/logout"] {
        let request = http.post(format!("{}{path}", app.origin)).header("origin", "https://evil.example");
        let request =
            request.header("sec-fetch-site", "cross-site").header("content-type", "application/json");
        let answer = alice.send(request.header("x-csrf", "1").body(r#"{"provider":"notes-api"}"#)).await;
        assert_eq!(answer.problem(), (403, "csrf-rejected"), "{path}");
    }
    assert!(alice.is_signed_in().await);
    assert_eq!(app.issuer.counts().snapshot(), before);
    let rebound = http.get(format!("{}/auth/session", app.origin)).header("host", "evil.example:8080");
    assert_eq!(alice.send(rebound).await.status, 403, "DNS rebinding");
}

#[tokio::test]
async fn the_audit_trail_says_whose_token_left_and_what_did_not_leave() {
    let app = Application::new().await;
    let alice = app.signed_in("alice").await;
    through_the_sidecar(&app, &alice, "notes-api").await;
    through_the_sidecar(&app, &app.visitor(), "notes-api").await;
    through_the_guard(&app, &alice, "bob").await;
    eventually("every departure is written", || async { app.departures().len() >= 3 }).await;
    let told: Vec<_> = app.departures();
    let told: Vec<_> = told
        .iter()
        .map(|line| (&line["outcome"], &line["subject"], &line["token"]))
        .map(|parts| [parts.0, parts.1, parts.2].map(|part| part.as_str().unwrap_or("–").to_owned()))
        .collect();
    assert_eq!(told[0], ["forwarded", "alice", "own"], "by the cookie alone");
    assert_eq!(told[1], ["not_forwarded", "–", "own"], "nobody's cookie");
    assert_eq!(told[2], ["not_forwarded", "bob", "own"], "two users");
    assert!(app.metrics().await.contains("reason=\"auth_subject_mismatch\"} 1"));
}

#[tokio::test]
async fn an_operators_variable_ends_reuse_for_programs_and_for_the_gateway_at_once() {
    let mut app = Application::new().await;
    let mut alice = app.signed_in("alice").await;
    token_for(&mut alice, "notes-api").await;
    app.variables.push(("MCP_REUSE_AUTHORIZER".to_owned(), "false".to_owned()));
    app.restart().await;
    assert!(alice.is_signed_in().await, "nobody is signed out by it");
    let answer = alice.post("/auth/broker/exchange", &json!({"provider": "notes-api"})).await;
    assert_eq!(answer.problem(), (403, "reuse-disabled"));
    assert_eq!(through_the_sidecar(&app, &alice, "notes-api").await, 403);
    app.variables.clear();
    app.restart().await;
    token_for(&mut alice, "notes-api").await;
}
