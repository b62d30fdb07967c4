//! `bearward serve` as whoever operates it meets it: its log, its end, its sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bearward_testbed::AuthorizationServer;
use bearward_testbed::client::{Era, McpClient};
use bearward_testbed::mcp::SampleMcpServer;
use bearward_testbed::notes::NotesApi;
use bearward_tests::process::{Running, free_address};
use bearward_tests::stage::{NOTES, eventually, issuer};
use bearward_tests::tools::{Tools, bearward};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(10);

/// A guard in front of a sample server, not started yet.
struct Scene {
    issuer: AuthorizationServer,
    mcp: SampleMcpServer,
    listen: SocketAddr,
    resource: String,
    folder: TempDir,
    binary: PathBuf,
}

impl Scene {
    async fn new(test: &str) -> Option<Self> {
        let binary = bearward(test)?;
        let issuer = issuer().start().await.unwrap();
        let mcp = SampleMcpServer::builder().start().await.unwrap();
        let (listen, admin) = (free_address().unwrap(), free_address().unwrap());
        let resource = format!("http://{listen}/mcp");
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { issuer, mcp, listen, resource, folder, binary };
        scene.configure(&format!("listen: '{listen}', admin: '{admin}', drain: 5s"), "");
        Some(scene)
    }

    /// Writes the configuration.
    fn configure(&self, server: &str, more: &str) {
        let config = format!(
            "server: {{{server}}}\nguards:\n  - {{resource: '{}', upstream: {{url: '{}'}}, issuers: [{{issuer: '{}'}}]}}\n{more}",
            self.resource,
            self.mcp.url(),
            self.issuer.issuer(),
        );
        std::fs::write(self.folder.path().join("bearward.yaml"), config).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(["serve", "--config", "bearward.yaml"]).env("CLIENT_SECRET", "client-secret-value");
        command.current_dir(self.folder.path());
        command
    }

    async fn serve(&self) -> Running {
        let mut running = Running::start("bearward serve", &mut self.command()).unwrap();
        running.until_listening(self.listen).await.unwrap();
        running
    }

    async fn client(&self) -> McpClient {
        let token = self.issuer.token_for(&self.resource).build();
        McpClient::connect(&self.resource, Some(&token), Era::Stateless).await.unwrap()
    }
}

#[tokio::test]
async fn at_sigterm_open_requests_end_new_ones_are_refused_and_the_exit_code_is_0() {
    let test = "at_sigterm_open_requests_end_new_ones_are_refused_and_the_exit_code_is_0";
    let Some(scene) = Scene::new(test).await else { return };
    let mut serving = scene.serve().await;
    let client = scene.client().await;
    let call = client.call("count_to", json!({"n": 10, "delay_ms": 100}));
    let end = async {
        eventually("the call is under way", || async { !client.progress().is_empty() }).await;
        serving.terminate().await.unwrap();
        eventually("no new connection", || async { TcpStream::connect(scene.listen).await.is_err() }).await;
    };
    let (counted, ()) = tokio::join!(call, end);
    assert_eq!(counted.unwrap(), "counted to 10");
    drop(client);
    let status = serving.until_ended(SOON).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", serving.output());
}

#[tokio::test]
async fn a_request_that_does_not_end_holds_it_up_no_longer_than_the_drain() {
    let test = "a_request_that_does_not_end_holds_it_up_no_longer_than_the_drain";
    let Some(scene) = Scene::new(test).await else { return };
    let admin = free_address().unwrap();
    scene.configure(&format!("listen: '{}', admin: '{admin}', drain: 100ms", scene.listen), "");
    let mut serving = scene.serve().await;
    let client = scene.client().await;
    let call = client.call("wait_for_cancel", json!({}));
    let end = async {
        eventually("the call is under way", || async { scene.mcp.waiting() == 1 }).await;
        serving.terminate().await.unwrap();
        serving.until_ended(SOON).await.unwrap()
    };
    let (answer, status) = tokio::join!(call, end);
    assert!(answer.is_err(), "cut off: {answer:?}");
    assert_eq!(status.code(), Some(0), "{}", serving.output());
}

#[tokio::test]
async fn the_log_is_json_for_a_file_and_text_for_a_terminal() {
    let test = "the_log_is_json_for_a_file_and_text_for_a_terminal";
    let Some(tools) = Tools::find(test) else { return };
    let Some(scene) = Scene::new(test).await else { return };
    let mut serving = scene.serve().await;
    serving.terminate().await.unwrap();
    serving.until_ended(SOON).await.unwrap();
    let output = serving.output();
    let lines: Vec<Value> =
        output.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect();
    let serving = lines.iter().find(|line| line["message"] == "serving").expect(&output);
    assert_eq!((&serving["level"], &serving["listen"]), (&json!("INFO"), &json!(scene.listen.to_string())));
    assert!(serving["timestamp"].is_string());

    // Python's standard library brings a terminal.
    let mut command = Command::new(&tools.python);
    command.args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])"]).arg(&scene.binary);
    command.args(["serve", "--config", "bearward.yaml"]).current_dir(scene.folder.path());
    let mut terminal = Running::start("bearward serve at a terminal", &mut command).unwrap();
    terminal.until_listening(scene.listen).await.unwrap();
    eventually("a line", || async { terminal.output().contains("serving") }).await;
    assert!(!terminal.output().contains("{\""), "{}", terminal.output());
}

#[tokio::test]
async fn an_address_in_use_is_named_and_the_exit_code_is_3() {
    let test = "an_address_in_use_is_named_and_the_exit_code_is_3";
    let Some(scene) = Scene::new(test).await else { return };
    let _taken = TcpListener::bind(scene.listen).await.unwrap();
    let mut serving = Running::start("bearward serve", &mut scene.command()).unwrap();
    let status = serving.until_ended(SOON).await.unwrap();
    assert_eq!(status.code(), Some(3));
    assert!(serving.output().contains(&format!("cannot listen on {}", scene.listen)), "{}", serving.output());
}

#[tokio::test]
async fn the_sidecar_listens_on_a_unix_socket_as_well() {
    let test = "the_sidecar_listens_on_a_unix_socket_as_well";
    let Some(scene) = Scene::new(test).await else { return };
    let notes = NotesApi::builder(&scene.issuer.issuer(), NOTES).tenant_secret("tenant-secret-value");
    let notes = notes.start().await.unwrap();
    let socket = scene.folder.path().join("egress.sock");
    let admin = free_address().unwrap();
    std::fs::write(scene.folder.path().join("tenant-key"), "tenant-secret-value\n").unwrap();
    scene.configure(
        &format!("listen: '{}', admin: '{admin}', egress: 'unix:{}'", scene.listen, socket.display()),
        &format!(
            "mcp:
  providers:
    - name: notes-api
      url: {}
      auth: {{grant: client_credentials, authority: '{}', audience: '{NOTES}', clientId: bearward,
             clientSecret: {{env: CLIENT_SECRET}}, allowInsecure: true}}
      tenantHeaders: {{prefix: X-TB, secret: {{file: tenant-key}}, constant: acme}}
",
            notes.url(),
            scene.issuer.issuer(),
        ),
    );
    let _serving = scene.serve().await;
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream
        .write_all(b"GET /notes-api/notes HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("[]"), "{answer}");
    assert_eq!(notes.seen()[0].tenant, "acme");
}
