//! `bearward verify`: the explanation of a token, from the command line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::process::Stdio;

use bearward_testbed::AuthorizationServer;
use bearward_tests::stage::Stage;
use bearward_tests::tools::bearward;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const RESOURCE: &str = "https://mcp.example.com/mcp";

struct Scene {
    issuer: AuthorizationServer,
    folder: TempDir,
    binary: std::path::PathBuf,
}

impl Scene {
    async fn new(test: &str) -> Option<Self> {
        let binary = bearward(test)?;
        let issuer = AuthorizationServer::builder().start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "server: {{admin: '127.0.0.1:9'}}
revocation: {{file: revoked.jsonl}}
guards:
  - resource: {RESOURCE}
    upstream: {{url: 'http://127.0.0.1:9/mcp'}}
    issuers: [{{issuer: '{}'}}]
    scopes: {{required: [mcp]}}
",
            issuer.issuer()
        );
        std::fs::write(folder.path().join("bearward.yaml"), config).unwrap();
        std::fs::write(folder.path().join("revoked.jsonl"), "{\"jti\": \"gone\"}\n").unwrap();
        Some(Self { issuer, folder, binary })
    }

    /// The exit code and what was printed, both streams; the token goes by stdin.
    async fn verify(&self, token: &str, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(&self.binary);
        command.args(["verify", "-"]).args(arguments).current_dir(self.folder.path());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(token.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(token.is_empty() || !text.contains(token), "the token is not printed: {text}");
        (output.status.code().unwrap(), text)
    }
}

#[tokio::test]
async fn a_good_token_is_explained_check_by_check_and_exits_with_0() {
    let Some(scene) = Scene::new("a_good_token_is_explained_check_by_check_and_exits_with_0").await else {
        return;
    };
    let token = scene.issuer.token_for(RESOURCE).scope("mcp").build();
    let (code, text) = scene.verify(&token, &[]).await;
    assert_eq!(code, 0, "{text}");
    for check in ["form", "issuer", "algorithm", "signature", "time", "audience", "revocation", "scopes"] {
        assert!(text.contains(&format!("✓ {check}")), "{check}: {text}");
    }
    assert!(text.contains(&format!("opens {RESOURCE}")), "{text}");
    let (code, json) = scene.verify(&format!("Bearer {token}\n"), &["--json"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["ok"], &json["resource"]), (0, &true.into(), &RESOURCE.into()));
}

#[tokio::test]
async fn a_token_that_is_refused_is_explained_up_to_the_reason_and_exits_with_1() {
    let Some(scene) =
        Scene::new("a_token_that_is_refused_is_explained_up_to_the_reason_and_exits_with_1").await
    else {
        return;
    };
    let good = || scene.issuer.token_for(RESOURCE).scope("mcp");
    for (token, check, reason) in [
        (good().claim("exp", 1).build(), "time", "expired"),
        (good().audience("https://other.example").build(), "audience", "audience"),
        (good().with_garbage_signature().build(), "signature", "signature"),
        (good().claim("jti", "gone").build(), "revocation", "revoked"),
        (good().scope("other").build(), "scopes", "scope"),
        ("garbage-that-is-no-token".into(), "form", "malformed"),
    ] {
        let (code, text) = scene.verify(&token, &[]).await;
        assert!(code == 1 && text.contains(&format!("✗ {check}")), "{code} {text}");
        let (_, json) = scene.verify(&token, &["--json"]).await;
        let json: Value = serde_json::from_str(&json).unwrap();
        let steps = json["steps"].as_array().unwrap();
        let failed = steps.iter().find(|step| step["ok"] == false).unwrap();
        assert_eq!((&json["ok"], &failed["reason"]), (&false.into(), &reason.into()));
    }
}

#[tokio::test]
async fn a_running_server_is_asked_what_it_revoked_and_remembers_and_the_token_goes_nowhere() {
    let test = "a_running_server_is_asked_what_it_revoked_and_remembers_and_the_token_goes_nowhere";
    let Some(mut scene) = Scene::new(test).await else { return };
    let stage = Stage::new().await;
    let config = format!(
        "server: {{admin: '{}'}}
guards: [{{resource: '{}', upstream: {{url: 'http://127.0.0.1:9/mcp'}}, issuers: [{{issuer: '{}'}}]}}]
",
        stage.admin.strip_prefix("http://").unwrap(),
        stage.resource,
        stage.issuer.issuer()
    );
    std::fs::write(scene.folder.path().join("bearward.yaml"), config).unwrap();
    let builder = stage.issuer.token_for(&stage.resource).claim("sid", "session-1");
    let token = builder.build();
    let (code, text) = scene.verify(&token, &[]).await;
    assert!(code == 0 && text.contains("does not remember it"), "{text}");
    assert_eq!(stage.post(&token).send().await.unwrap().status(), 200);
    let (code, text) = scene.verify(&token, &[]).await;
    assert!(code == 0 && text.contains("remembers it as good for"), "{text}");
    // Of the server's revocations, by whomever it was told.
    let revoke = stage
        .http
        .post(format!("{}/api/revocations", stage.admin))
        .header("content-type", "application/json");
    assert_eq!(revoke.body(r#"{"sid": "session-1"}"#).send().await.unwrap().status(), 204);
    let (code, text) = scene.verify(&token, &[]).await;
    assert!(code == 1 && text.contains("✗ revocation"), "{text}");
    // One that nobody runs says so, and the rest is told all the same.
    scene = Scene::new(test).await.unwrap();
    let (code, text) = scene.verify(&scene.issuer.token_for(RESOURCE).scope("mcp").build(), &[]).await;
    assert!(code == 0 && text.contains("no server runs at 127.0.0.1:9"), "{text}");
}

#[tokio::test]
async fn the_admin_api_tells_what_is_remembered_by_hash_and_refuses_anything_else() {
    let stage = Stage::new().await;
    let ask = |body: String| {
        let request = stage.http.post(format!("{}/api/cache", stage.admin)).body(body);
        request.header("content-type", "application/json").send()
    };
    let hash = "ab".repeat(32);
    for (guard, sha256, status) in [
        (stage.resource.as_str(), hash.as_str(), 200),
        (stage.resource.as_str(), "eyJhbGciOi", 422),
        ("https://other.example", &hash, 404),
    ] {
        let body = json!({"guard": guard, "sha256": sha256}).to_string();
        assert_eq!(ask(body).await.unwrap().status(), status, "{guard} {sha256}");
    }
    assert_eq!(ask(r#"{"token": "x"}"#.into()).await.unwrap().status(), 422);
}

#[tokio::test]
async fn a_guard_that_stands_in_the_environment_alone_explains_as_well() {
    let test = "a_guard_that_stands_in_the_environment_alone_explains_as_well";
    let Some(scene) = Scene::new(test).await else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let token = scene.issuer.token_for(RESOURCE).scope("mcp").build();
    std::fs::write(elsewhere.path().join("token"), &token).unwrap();
    let output = Command::new(&scene.binary)
        .args(["verify", "--file", "token"])
        .env("BASE_URL", "https://mcp.example.com")
        .env("MCP_BEARER_UPSTREAM_URL", "http://127.0.0.1:9/mcp")
        .env("MCP_BEARER_ISSUER", scene.issuer.issuer())
        .env("BEARWARD_SERVER__ADMIN", "127.0.0.1:9")
        .current_dir(elsewhere.path())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains(&format!("opens {RESOURCE}")), "{text}");
}

#[tokio::test]
async fn nothing_that_the_server_writes_is_touched() {
    let Some(scene) = Scene::new("nothing_that_the_server_writes_is_touched").await else { return };
    let path = scene.folder.path().join("bearward.yaml");
    let config = std::fs::read_to_string(&path).unwrap() + "telemetry: {audit: {file: audit.jsonl}}\n";
    std::fs::write(&path, config).unwrap();
    let token = scene.issuer.token_for(RESOURCE).scope("mcp").build();
    assert_eq!(scene.verify(&token, &[]).await.0, 0);
    assert!(!scene.folder.path().join("audit.jsonl").exists());
}

#[tokio::test]
async fn wrong_usage_exits_with_2() {
    let Some(scene) = Scene::new("wrong_usage_exits_with_2").await else { return };
    assert_eq!(scene.verify("", &[]).await.0, 2);
    let (code, text) = scene.verify("some-token-value", &["--guard", "https://other.example"]).await;
    assert!(code == 2 && text.contains(RESOURCE), "{text}");
    assert_eq!(scene.verify("some-token-value", &["--config", "nowhere.yaml"]).await.0, 2);
}
