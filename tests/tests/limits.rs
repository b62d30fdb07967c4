//! Callers that ask too much, and addresses that are wrong too often.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use bearward_tests::stage::{Plan, Stage};
use serde_json::{Value, json};

async fn stage(limits: &str, server: &str) -> Stage {
    Stage::with(Plan { guard: format!("    limits: {limits}"), server: server.into(), ..Plan::default() })
        .await
}

#[tokio::test]
async fn a_subject_beyond_its_limit_is_told_when_to_come_back_and_another_is_not_held_up() {
    let stage = stage("{perSubject: 2/h}", "").await;
    let alice = stage.token_of("alice");
    for _ in 0..2 {
        assert_eq!(stage.post(&alice).send().await.unwrap().status(), 200);
    }
    let arrived = stage.mcp.received().len();
    let refused = stage.post(&alice).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    let header = |name: &str| refused.headers()[name].to_str().unwrap().to_owned();
    let seconds: u64 = header("retry-after").parse().unwrap();
    assert!((1..=1800).contains(&seconds), "{seconds}");
    assert_eq!(header("ratelimit"), format!("\"subject\";r=0;t={seconds}"));
    assert_eq!(header("ratelimit-policy"), "\"subject\";q=2;w=3600");
    assert!(!refused.headers().contains_key("www-authenticate"), "a new token would not help");
    let body: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!((&body["jsonrpc"], &body["error"]["code"]), (&json!("2.0"), &json!(-32000)));
    assert_eq!(stage.mcp.received().len(), arrived);
    assert_eq!(stage.post(&stage.token_of("bob")).send().await.unwrap().status(), 200);
    // Another token of the same subject is the same subject.
    let another = stage.issuer.token_for(&stage.resource).claim("n", 1).build();
    assert_eq!(stage.post(&another).send().await.unwrap().status(), 429);
}

#[tokio::test]
async fn an_address_with_too_many_bad_tokens_is_not_looked_at_and_proxies_are_seen_through() {
    let stage = stage("{failuresPerAddress: 3/h}", ", trustedProxies: [127.0.0.1]").await;
    let send = async |token: &str, from: &str| {
        stage.post(token).header("x-forwarded-for", from).send().await.unwrap().status().as_u16()
    };
    for _ in 0..4 {
        assert_eq!(send("garbage", "198.51.100.7").await, 401);
    }
    assert_eq!(send("garbage", "198.51.100.7").await, 429);
    assert_eq!(send(&stage.token(), "198.51.100.7").await, 429, "not even a good one");
    assert_eq!(send(&stage.token(), "198.51.100.8").await, 200);
    assert_eq!(send("garbage", "198.51.100.8").await, 401);
    // What the caller itself wrote in front does not count.
    assert_eq!(send(&stage.token(), "198.51.100.9, 198.51.100.7").await, 429);
}

#[tokio::test]
async fn asking_without_a_token_is_how_discovery_begins_and_no_failure() {
    let stage = stage("{failuresPerAddress: 1/h}", "").await;
    for _ in 0..5 {
        assert_eq!(stage.http.post(&stage.resource).send().await.unwrap().status(), 401);
    }
    assert_eq!(stage.post(&stage.token()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_client_and_the_whole_guard_have_limits_of_their_own() {
    let clients = stage("{perClient: 2/h}", "").await;
    let of = |stage: &Stage, client: &str, subject: &str| {
        stage.issuer.token_for(&stage.resource).subject(subject).claim("client_id", client).build()
    };
    for subject in ["alice", "bob"] {
        assert_eq!(clients.post(&of(&clients, "one", subject)).send().await.unwrap().status(), 200);
    }
    let refused = clients.post(&of(&clients, "one", "carol")).send().await.unwrap();
    assert_eq!(
        (
            refused.status().as_u16(),
            refused.headers()["ratelimit"].to_str().unwrap().starts_with("\"client\"")
        ),
        (429, true)
    );
    assert_eq!(clients.post(&of(&clients, "two", "alice")).send().await.unwrap().status(), 200);

    let guard = stage("{perGuard: 2/h}", "").await;
    for subject in ["alice", "bob"] {
        assert_eq!(guard.post(&of(&guard, subject, subject)).send().await.unwrap().status(), 200);
    }
    assert_eq!(guard.post(&of(&guard, "three", "carol")).send().await.unwrap().status(), 429);
}
