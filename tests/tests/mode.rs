//! A guard that is off, observes, or enforces for a share of callers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::net::SocketAddr;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::any;
use bearward_testbed::client::{Era, McpClient};
use bearward_testbed::served::Served;
use bearward_tests::stage::{Plan, Stage};

/// A server that verifies its callers by itself: `Bearer old` opens it, and it says what reached it.
async fn verifies_itself() -> Served {
    let answer = |headers: HeaderMap| async move {
        let presented = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        match presented.as_deref() {
            Some("Bearer old") => (StatusCode::OK, "let in".to_owned()).into_response(),
            other => {
                let said = format!("presented: {}", other.unwrap_or("nothing"));
                (StatusCode::UNAUTHORIZED, [("www-authenticate", "Bearer realm=\"behind\"")], said)
                    .into_response()
            }
        }
    };
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Served::start(address, Router::new().fallback(any(answer))).await.unwrap()
}

async fn stage(mode: &str, server: &Served) -> Stage {
    let upstream = format!("url: 'http://{}/mcp'", server.address());
    Stage::with(Plan { guard: format!("    mode: {mode}"), upstream: Some(upstream), ..Plan::default() })
        .await
}

async fn send(stage: &Stage, token: &str) -> (u16, String, String) {
    let answer = stage.post(token).send().await.unwrap();
    let challenge =
        answer.headers().get("www-authenticate").map_or("", |value| value.to_str().unwrap()).to_owned();
    (answer.status().as_u16(), challenge, answer.text().await.unwrap())
}

#[tokio::test]
async fn a_guard_that_observes_refuses_nothing_counts_what_it_would_and_leaves_the_word_to_the_server() {
    let server = verifies_itself().await;
    let stage = stage("observe", &server).await;
    assert_eq!(send(&stage, "old").await.2, "let in", "as before there was a guard");
    let (status, challenge, said) = send(&stage, "garbage").await;
    assert_eq!(
        (status, challenge.as_str(), said.as_str()),
        (401, "Bearer realm=\"behind\"", "presented: Bearer garbage")
    );
    assert_eq!(send(&stage, &stage.token()).await.0, 401, "the server does not know our issuer yet");
    let metrics = stage.metrics().await;
    let guard = &stage.resource;
    assert!(
        metrics.contains(&format!("auth_observed_total{{guard=\"{guard}\",outcome=\"malformed\"}} 2")),
        "{metrics}"
    );
    assert!(
        metrics.contains(&format!("auth_requests_total{{guard=\"{guard}\",outcome=\"accepted\"}} 1")),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_guard_that_observes_hides_nothing() {
    for (mode, is_hidden) in [("observe", false), ("0%", false), ("100%", true)] {
        let guard = format!("    mode: {mode}\n    rules: [{{names: [add_note], scopes: [admin]}}]");
        let stage = Stage::with(Plan { guard, ..Plan::default() }).await;
        let client = McpClient::connect(&stage.resource, Some(&stage.token()), Era::Stateless).await.unwrap();
        let tools = client.tools().await.unwrap();
        assert_eq!(!tools.contains(&"add_note".to_owned()), is_hidden, "{mode}: {tools:?}");
        client.close().await;
    }
}

#[tokio::test]
async fn a_guard_that_is_off_does_not_even_look() {
    let server = verifies_itself().await;
    let stage = stage("off", &server).await;
    assert_eq!(send(&stage, "old").await.2, "let in");
    assert_eq!(send(&stage, "garbage").await.0, 401);
    let metrics = stage.metrics().await;
    assert!(
        !metrics.contains("auth_observed_total{")
            && metrics
                .lines()
                .filter(|line| line.starts_with("auth_requests_total{"))
                .all(|line| line.ends_with(" 0")),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_guard_enforces_for_its_share_of_callers_and_always_for_the_same_ones() {
    let server = verifies_itself().await;
    let stage = stage("50%\n    scopes: {required: [special]}", &server).await;
    let by_guard = |challenge: &str| challenge.contains("resource_metadata");
    let mut refused = Vec::new();
    for n in 0..60 {
        let token = stage.token_of(&format!("user-{n}"));
        let first = by_guard(&send(&stage, &token).await.1);
        let another =
            stage.issuer.token_for(&stage.resource).subject(&format!("user-{n}")).scope("x").build();
        assert_eq!(by_guard(&send(&stage, &another).await.1), first, "the same side with every token");
        refused.push(first);
    }
    let share = refused.iter().filter(|refused| **refused).count();
    assert!((10..=50).contains(&share), "{share} of 60");
    // Who is unknown is told by where it comes from: trying other tokens changes nothing.
    let mut sides = Vec::new();
    for n in 0..20 {
        sides.push(by_guard(&send(&stage, &format!("garbage-{n}")).await.1));
    }
    assert!(sides.iter().all(|side| *side == sides[0]), "{sides:?}");
}

#[tokio::test]
async fn a_guard_that_enforces_lets_no_credential_through() {
    let server = verifies_itself().await;
    let stage = stage("enforce", &server).await;
    assert!(send(&stage, "old").await.1.contains("resource_metadata"));
    // SPEC RS-8, PX-9
    assert_eq!(
        send(&stage, &stage.token()).await.0,
        502,
        "a 401 from behind is not about the caller's token"
    );
}
