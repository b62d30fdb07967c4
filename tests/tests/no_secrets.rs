//! A full run of `bearward serve` at the finest log level, good days and bad, and every secret of it sought
//! in everything it printed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use bearward_testbed::authorization_server::{Fault, Place};
use bearward_testbed::client::{Era, McpClient};
use bearward_testbed::mcp::SampleMcpServer;
use bearward_testbed::notes::NotesApi;
use bearward_tests::process::{Running, free_address};
use bearward_tests::stage::{NOTES, eventually, issuer};
use bearward_tests::tools::bearward;
use http::StatusCode;
use serde_json::json;
use tokio::process::Command;

// HARD 20
#[tokio::test]
async fn no_secret_is_in_anything_that_a_full_run_prints_at_the_finest_level() {
    let test = "no_secret_is_in_anything_that_a_full_run_prints_at_the_finest_level";
    let Some(binary) = bearward(test) else { return };
    let issuer = issuer().start().await.unwrap();
    let notes = NotesApi::builder(&issuer.issuer(), NOTES)
        .tenant_secret("tenant-secret-value")
        .start()
        .await
        .unwrap();
    let (listen, admin, egress) = (free_address().unwrap(), free_address().unwrap(), free_address().unwrap());
    let mcp = SampleMcpServer::builder().notes(&format!("http://{egress}/notes-api")).start().await.unwrap();
    let resource = format!("http://{listen}/mcp");
    let direct = format!("http://{listen}/direct");
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "server: {{listen: '{listen}', admin: '{admin}', egress: '{egress}', drain: 1s}}
mcp:
  providers:
    - name: notes-api
      url: {notes}
      auth: {{grant: client_credentials, authority: '{issuer}', audience: '{NOTES}', clientId: bearward,
             clientSecret: {{env: CLIENT_SECRET}}, allowInsecure: true}}
      tenantHeaders: {{prefix: X-TB, secret: {{file: tenant-key}}, constant: acme}}
guards:
  - {{resource: '{resource}', upstream: {{url: '{mcp}'}}, issuers: [{{issuer: '{issuer}'}}], identity: {{assertion: true}}}}
  - {{resource: '{direct}', upstream: {{url: '{notes}/echo', provider: notes-api}}, issuers: [{{issuer: '{issuer}'}}]}}
telemetry: {{audit: {{stdout: true}}}}
",
        notes = notes.url(),
        mcp = mcp.url(),
        issuer = issuer.issuer(),
    );
    std::fs::write(folder.path().join("bearward.yaml"), config).unwrap();
    std::fs::write(folder.path().join("tenant-key"), "tenant-secret-value\n").unwrap();
    let mut command = Command::new(binary);
    command
        .args(["serve", "--config", "bearward.yaml", "--log", "trace"])
        .env("CLIENT_SECRET", "client-secret-value")
        .env("RUST_BACKTRACE", "1")
        .current_dir(folder.path());
    let mut serving = Running::start("bearward serve", &mut command).unwrap();
    serving.until_listening(listen).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let is_ready = || async {
        http.get(format!("http://{admin}/readyz"))
            .send()
            .await
            .is_ok_and(|answer| answer.status() == StatusCode::OK)
    };
    eventually("ready", is_ready).await;

    let mut secrets = BTreeSet::from(["tenant-secret-value".to_owned()]);
    let good = issuer.token_for(&resource).build();
    let bad = [
        issuer.token_for(&resource).claim("exp", 1).build(),
        issuer.token_for(&resource).with_garbage_signature().build(),
        issuer.token_for(&resource).header("kid", "unknown").build(),
        issuer.token_for("https://other.example").build(),
        "garbage-token-value".to_owned(),
    ];
    for era in [Era::Sessions, Era::Stateless] {
        let client = McpClient::connect(&resource, Some(&good), era).await.unwrap();
        client.call("add_note", json!({"title": "t"})).await.unwrap();
        client.close().await;
    }
    let post = |url: &str, token: &str| {
        http.post(url).bearer_auth(token).header("cookie", "session=cookie-value").body("{}")
    };
    for token in &bad {
        assert_eq!(post(&resource, token).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        let in_query = format!("{resource}?access_token={token}");
        assert_eq!(post(&in_query, &good).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    }
    let direct_token = issuer.token_for(&direct).build();
    assert_eq!(post(&direct, &direct_token).send().await.unwrap().status(), StatusCode::OK);

    // Bad days: our token refused, and an issuer that talks too much.
    notes.refuse_next(1, StatusCode::UNAUTHORIZED);
    let loud = json!({"error": "loud-error-value", "error_description": "client-secret-value", "access_token": good});
    issuer.faults().next(
        Place::Token,
        1,
        Fault::Status { status: 400, body: loud.to_string(), retry_after: None },
    );
    let refused = post(&direct, &direct_token).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_GATEWAY);
    assert!(!refused.text().await.unwrap().contains("client-secret-value"));
    mcp.stop().await;
    assert_eq!(post(&resource, &good).send().await.unwrap().status(), StatusCode::BAD_GATEWAY);

    let metrics = http.get(format!("http://{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    serving.terminate().await.unwrap();
    serving.until_ended(Duration::from_secs(20)).await.unwrap();
    secrets.extend(bad);
    secrets.extend([good, direct_token, "cookie-value".to_owned()]);
    secrets.extend(issuer.counts().secrets());
    // As the `Authorization` header of the token request has it.
    secrets.insert(STANDARD.encode("bearward:client-secret-value"));
    let printed = serving.output() + &metrics;
    assert!(
        printed.contains("caller verified") && printed.contains("caller refused"),
        "it did log: {printed}"
    );
    assert!(printed.contains("stopped"), "to the end: {printed}");
    let audited = printed.lines().filter(|line| line.contains(r#""outcome":"refused","reason":"signature""#));
    assert_eq!(audited.count(), 1, "the audit trail is there: {printed}");
    let words = printed.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
    let tokens: Vec<_> = words.filter(|word| word.starts_with("eyJ") && word.len() > 40).collect();
    assert!(tokens.is_empty(), "an assertion, too, is nobody's to read: {tokens:?}");
    assert!(secrets.len() > 8, "there was something to look for");
    for secret in secrets {
        // A part of a token is a leak, too: its signature, its payload.
        for part in secret.split('.').filter(|part| part.len() > 10) {
            assert!(!printed.contains(part), "{part} was printed:\n{printed}");
        }
    }
}

// HARD 20
#[tokio::test]
async fn no_token_is_in_what_the_tour_of_the_demo_logs_at_the_finest_level() {
    let test = "no_token_is_in_what_the_tour_of_the_demo_logs_at_the_finest_level";
    let Some(binary) = bearward(test) else { return };
    let mut command = Command::new(binary);
    command.args(["demo", "--check", "--log", "trace"]);
    let mut demo = Running::start("bearward demo --check", &mut command).unwrap();
    let status = demo.until_ended(Duration::from_secs(30)).await.unwrap();
    let printed = demo.output();
    assert!(status.success() && printed.contains("caller verified"), "{printed}");
    // What every JWT begins with: a JSON object in base64url. All tokens there are JWTs.
    let words = printed.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
    let tokens: Vec<_> = words.filter(|word| word.starts_with("eyJ") && word.len() > 40).collect();
    assert!(tokens.is_empty(), "{tokens:?}");
}
