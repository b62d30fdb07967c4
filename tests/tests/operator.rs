//! What an operator does with tokens: `bearward token`, `bearward logout`, and the sidecar's `GET /token/…`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use bearward_testbed::AuthorizationServer;
use bearward_testbed::authorization_server::{Fault, Place};
use bearward_tests::process::{Running, free_address};
use bearward_tests::stage::{NOTES, eventually, issuer};
use bearward_tests::tools::bearward;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// A provider in a configuration, and a folder where it stands.
struct Scene {
    issuer: AuthorizationServer,
    listen: SocketAddr,
    admin: SocketAddr,
    egress: SocketAddr,
    folder: TempDir,
    binary: PathBuf,
}

impl Scene {
    async fn new(test: &str) -> Option<Self> {
        let binary = bearward(test)?;
        let address = || free_address().unwrap();
        let scene = Self {
            issuer: issuer().start().await.unwrap(),
            listen: address(),
            admin: address(),
            egress: address(),
            folder: tempfile::tempdir().unwrap(),
            binary,
        };
        scene.configure("handOut: true", "");
        Some(scene)
    }

    fn configure(&self, auth: &str, sections: &str) {
        let config = format!(
            "server: {{listen: '{}', admin: '{}', egress: '{}', adminSocket: '{}'}}
mcp:
  providers:
    - name: notes-api
      url: {NOTES}
      auth: {{grant: client_credentials, authority: '{}', audience: '{NOTES}', clientId: bearward,
             clientSecret: {{env: CLIENT_SECRET}}, {auth}}}
{sections}",
            self.listen,
            self.admin,
            self.egress,
            self.folder.path().join("admin.sock").display(),
            self.issuer.issuer(),
        );
        std::fs::write(self.folder.path().join("bearward.yaml"), config).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).env("CLIENT_SECRET", "client-secret-value").current_dir(self.folder.path());
        command
    }

    async fn run(&self, args: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(args).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    async fn serve(&self) -> Running {
        let mut running =
            Running::start("bearward serve", &mut self.command(&["serve", "-c", "bearward.yaml"])).unwrap();
        running.until_listening(self.egress).await.unwrap();
        running
    }

    fn asked(&self) -> u64 {
        self.issuer.counts().snapshot().at(Place::Token)
    }
}

async fn end(server: &mut Running) {
    server.terminate().await.unwrap();
    server.until_ended(Duration::from_secs(15)).await.unwrap();
}

#[tokio::test]
async fn a_token_is_printed_alone_as_a_header_or_as_json() {
    let Some(scene) = Scene::new("a_token_is_printed_alone_as_a_header_or_as_json").await else { return };
    let (code, out, said) = scene.run(&["token"]).await;
    assert_eq!((code, said.as_str()), (0, ""));
    assert_eq!(out.lines().count(), 1);
    assert_eq!(out.trim().split('.').count(), 3, "a JWT");
    let (_, header, _) = scene.run(&["token", "--provider", "notes-api", "--header"]).await;
    assert!(header.starts_with("Authorization: Bearer ey"), "{header}");
    let (_, json, _) = scene.run(&["token", "--json", "--min-ttl", "5m"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["token_type"], "Bearer");
    assert!((3000..=3600).contains(&json["expires_in"].as_u64().unwrap()), "{json}");
}

#[tokio::test]
async fn a_token_that_is_not_to_be_had_ends_the_command_with_a_reason_and_a_code() {
    let name = "a_token_that_is_not_to_be_had_ends_the_command_with_a_reason_and_a_code";
    let Some(scene) = Scene::new(name).await else { return };
    let (code, out, said) = scene.run(&["token", "--provider", "other"]).await;
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(said.contains("there are: notes-api"), "{said}");
    let refuse =
        Fault::Status { status: 401, body: r#"{"error":"invalid_client"}"#.into(), retry_after: None };
    scene.issuer.faults().always(Place::Token, refuse);
    let (code, out, said) = scene.run(&["token"]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(said.contains("invalid_client") && said.contains("clientSecret"), "{said}");
    let (code, _, said) = scene.run(&["token", "--min-ttl", "soon"]).await;
    assert_eq!(code, 2, "{said}");
}

#[tokio::test]
async fn a_running_server_is_asked_and_fetches_nothing_twice() {
    let Some(scene) = Scene::new("a_running_server_is_asked_and_fetches_nothing_twice").await else { return };
    let mut server = scene.serve().await;
    eventually("the server has its token", || async { scene.asked() == 1 }).await;
    let (code, first, said) = scene.run(&["token"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(scene.run(&["token"]).await.1, first);
    assert_eq!(scene.asked(), 1);
    let server_logs = server.output();
    assert!(!server_logs.contains(first.trim()), "a token in the log");
    end(&mut server).await;
    // A socket that nobody answers at is no server.
    let (code, other, said) = scene.run(&["token"]).await;
    assert_eq!(code, 0, "{said}");
    assert_ne!(other, first);
}

// HARD 14
#[tokio::test]
async fn a_logout_revokes_what_the_server_has_and_succeeds_while_the_issuer_is_down() {
    let name = "a_logout_revokes_what_the_server_has_and_succeeds_while_the_issuer_is_down";
    let Some(scene) = Scene::new(name).await else { return };
    let mut server = scene.serve().await;
    eventually("the server has its token", || async { scene.asked() == 1 }).await;
    let (_, first, _) = scene.run(&["token"]).await;
    let (code, said, _) = scene.run(&["logout"]).await;
    assert_eq!(code, 0);
    assert!(said.contains("has revoked the tokens"), "{said}");
    assert_eq!(scene.issuer.counts().snapshot().at(Place::Revocation), 1);
    let (_, second, _) = scene.run(&["token"]).await;
    assert_ne!(second, first, "a new login");
    let down = Fault::Status { status: 503, body: String::new(), retry_after: None };
    scene.issuer.faults().always(Place::Revocation, down);
    let (code, said, _) = scene.run(&["logout", "--json"]).await;
    assert_eq!((code, said.trim()), (0, r#"{"revoked":"queued"}"#));
    end(&mut server).await;
}

#[tokio::test]
async fn the_audit_trail_tells_of_every_token_that_leaves_through_the_sidecar() {
    let name = "the_audit_trail_tells_of_every_token_that_leaves_through_the_sidecar";
    let Some(scene) = Scene::new(name).await else { return };
    let trail = scene.folder.path().join("audit.jsonl");
    scene.configure("handOut: true", &format!("telemetry: {{audit: {{file: '{}'}}}}", trail.display()));
    let mut server = scene.serve().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| http.get(format!("http://{}/{path}", scene.egress)).send().await.unwrap();
    assert_eq!(get("token/notes-api").await.status(), 200);
    // Nobody is at home there.
    assert_eq!(get("notes-api/v1/notes").await.status(), 502);
    let lines = || {
        let text = std::fs::read_to_string(&trail).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    eventually("both are written down", || async { lines().len() == 2 }).await;
    for (line, outcome) in lines().iter().zip(["handed_out", "not_forwarded"]) {
        let told = [&line["guard"], &line["outcome"], &line["provider"], &line["token"]];
        assert_eq!(told, ["sidecar", outcome, "notes-api", "shared"]);
    }
    end(&mut server).await;
}

#[tokio::test]
async fn who_wants_a_token_that_lasts_gets_the_next_one() {
    let Some(scene) = Scene::new("who_wants_a_token_that_lasts_gets_the_next_one").await else { return };
    let short = json!({"access_token": "short", "token_type": "Bearer", "expires_in": 12}).to_string();
    scene.issuer.faults().next(Place::Token, 1, Fault::Body { body: short });
    let mut server = scene.serve().await;
    eventually("the server has its token", || async { scene.asked() == 1 }).await;
    assert_eq!(scene.run(&["token"]).await.1.trim(), "short");
    // Of 12 seconds half can be asked for, and the next refresh is due with two and a half left.
    eventually("the token is half over", || async {
        let left = scene.run(&["token", "--json"]).await.1;
        serde_json::from_str::<Value>(&left).unwrap()["expires_in"].as_u64().unwrap() < 6
    })
    .await;
    let (code, next, said) = scene.run(&["token", "--min-ttl", "5m"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(next.starts_with("ey"), "{next}");
    end(&mut server).await;
}

#[tokio::test]
async fn a_logout_that_would_end_nothing_says_so() {
    let Some(scene) = Scene::new("a_logout_that_would_end_nothing_says_so").await else { return };
    let (code, out, said) = scene.run(&["logout"]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(said.contains("nothing was ended") && said.contains("admin.sock"), "{said}");
}

#[tokio::test]
async fn what_answers_at_the_socket_and_is_no_bearward_is_not_taken_for_a_token() {
    let name = "what_answers_at_the_socket_and_is_no_bearward_is_not_taken_for_a_token";
    let Some(scene) = Scene::new(name).await else { return };
    let listener = tokio::net::UnixListener::bind(scene.folder.path().join("admin.sock")).unwrap();
    let stranger = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        }
    });
    let (code, out, said) = scene.run(&["token", "--header"]).await;
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(said.contains("no Bearward"), "{said}");
    stranger.abort();
}

#[tokio::test]
async fn a_socket_that_may_not_be_used_is_no_sign_that_no_server_runs() {
    let name = "a_socket_that_may_not_be_used_is_no_sign_that_no_server_runs";
    let Some(scene) = Scene::new(name).await else { return };
    // A name that no socket can have stands for one that cannot be reached for another reason than that nobody listens.
    let long = scene.folder.path().join("x".repeat(200));
    let config = std::fs::read_to_string(scene.folder.path().join("bearward.yaml")).unwrap();
    let config = config
        .replace(&scene.folder.path().join("admin.sock").display().to_string(), &long.display().to_string());
    std::fs::write(scene.folder.path().join("bearward.yaml"), config).unwrap();
    let (code, out, said) = scene.run(&["token"]).await;
    assert_eq!((code, out.as_str()), (3, ""), "{said}");
    assert_eq!(scene.asked(), 0);
}

#[tokio::test]
async fn the_sidecar_hands_out_a_token_for_its_audience_where_that_is_configured() {
    let name = "the_sidecar_hands_out_a_token_for_its_audience_where_that_is_configured";
    let Some(scene) = Scene::new(name).await else { return };
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = |query: &str| http.get(format!("http://{}/token/notes-api{query}", scene.egress));
    let mut server = scene.serve().await;
    let answer = get("").send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["cache-control"]),
        (200, &"no-store".parse().unwrap())
    );
    let document: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!((&document["audience"], &document["token_type"]), (&NOTES.into(), &"Bearer".into()));
    assert!(document["access_token"].as_str().unwrap().starts_with("ey"));
    let asks = |audience: &str| get(&format!("?audience={audience}"));
    assert_eq!(asks(NOTES).send().await.unwrap().status(), 200);
    assert_eq!(asks("https://other.example").send().await.unwrap().status(), 403);
    let page = get("").header("origin", "https://evil.example");
    assert_eq!(page.send().await.unwrap().status(), 403, "a web page");
    assert_eq!(
        http.post(format!("http://{}/token/notes-api", scene.egress)).send().await.unwrap().status(),
        405
    );
    end(&mut server).await;

    scene.configure("handOut: false", "");
    let mut server = scene.serve().await;
    assert_eq!(get("").send().await.unwrap().status(), 404, "nothing is handed out unasked");
    end(&mut server).await;
}
