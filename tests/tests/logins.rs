//! Tokens that outlive the process: a login that goes on over many of them, and a start while the issuer is down.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bearward_testbed::AuthorizationServer;
use bearward_testbed::authorization_server::{Fault, Place, User};
use bearward_tests::process::{Running, free_address};
use bearward_tests::stage::{NOTES, eventually, issuer};
use bearward_tests::tools::{bearward, skip};
use tempfile::TempDir;
use tokio::process::Command;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

struct Scene {
    issuer: AuthorizationServer,
    admin: SocketAddr,
    egress: SocketAddr,
    folder: TempDir,
    binary: PathBuf,
    given: String,
    /// Where the keychain is, if there is one.
    environment: Vec<(&'static str, OsString)>,
}

impl Scene {
    async fn new(test: &str, grant: &str) -> Option<Self> {
        let binary = bearward(test)?;
        let issuer = issuer().user(User::new("alice", "password")).start().await.unwrap();
        let given = issuer.login("bearward", "alice", "openid offline_access", NOTES).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let scene = Self {
            issuer,
            admin: free_address().unwrap(),
            egress: free_address().unwrap(),
            folder,
            binary,
            given,
            environment: Vec::new(),
        };
        scene.configure(grant);
        Some(scene)
    }

    fn configure(&self, grant: &str) {
        let config = format!(
            "server: {{listen: '127.0.0.1:0', admin: '{}', egress: '{}'}}
state: {{backend: file, path: state, key: {{env: STATE_KEY}}}}
mcp:
  providers:
    - name: notes-api
      url: {NOTES}
      auth: {{{grant}, authority: '{}', audience: '{NOTES}', clientId: bearward, clientSecret: {{env: CLIENT_SECRET}}}}
",
            self.admin,
            self.egress,
            self.issuer.issuer(),
        );
        std::fs::write(self.folder.path().join("bearward.yaml"), config).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).current_dir(self.folder.path());
        command.env("CLIENT_SECRET", "client-secret-value").env("STATE_KEY", KEY).env("GIVEN", &self.given);
        command.env_remove("DBUS_SESSION_BUS_ADDRESS").envs(self.environment.iter().cloned());
        command
    }

    async fn run(&self, args: &[&str]) -> (i32, String, String) {
        let out = self.command(args).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
    }

    async fn serve(&self) -> Running {
        let mut running =
            Running::start("bearward serve", &mut self.command(&["serve", "-c", "bearward.yaml"])).unwrap();
        running.until_listening(self.admin).await.unwrap();
        running
    }

    async fn ready(&self) -> (u16, String) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.get(format!("http://{}/readyz", self.admin)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    fn files(&self) -> Vec<Vec<u8>> {
        let records = std::fs::read_dir(self.folder.path().join("state/records")).unwrap();
        records.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
    }
}

/// Access tokens are not kept, so that each process must spend the refresh token.
const REFRESH: &str = "grant: refresh_token, refreshToken: {env: GIVEN}";

// HARD 13, SPEC CL-7
#[tokio::test]
async fn a_login_goes_on_over_many_processes_and_spends_each_refresh_token_once() {
    let name = "a_login_goes_on_over_many_processes_and_spends_each_refresh_token_once";
    let Some(scene) = Scene::new(name, REFRESH).await else { return };
    let mut tokens = Vec::new();
    for turn in 0..3 {
        // What is asked for may change; the login goes on.
        scene.configure(&format!(
            "{REFRESH}, scopes: [openid, offline_access], parameters: {{turn: '{turn}'}}"
        ));
        let (code, token, said) = scene.run(&["token"]).await;
        assert_eq!(code, 0, "{said}");
        tokens.push(token);
    }
    assert_eq!(scene.issuer.counts().snapshot().grant("refresh_token"), 3);
    for secret in scene.issuer.counts().secrets() {
        assert!(scene.files().iter().all(|file| !contains(file, secret.as_bytes())), "a token in plain text");
    }
    // What was given was spent long ago: without what was kept the login has ended, and says so.
    std::fs::remove_dir_all(scene.folder.path().join("state")).unwrap();
    let (code, out, said) = scene.run(&["token"]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(said.contains("log in again"), "{said}");
    let asked = scene.issuer.counts().snapshot().grant("refresh_token");
    assert_eq!(scene.run(&["token"]).await.0, 1);
    assert_eq!(
        scene.issuer.counts().snapshot().grant("refresh_token"),
        asked,
        "a dead token is not spent again"
    );
}

// HARD 14
#[tokio::test]
async fn after_a_logout_only_a_new_login_gets_tokens() {
    let Some(mut scene) = Scene::new("after_a_logout_only_a_new_login_gets_tokens", REFRESH).await else {
        return;
    };
    assert_eq!(scene.run(&["token"]).await.0, 0);
    let (code, said, _) = scene.run(&["logout"]).await;
    assert_eq!(code, 0);
    assert!(said.contains("has revoked the tokens"), "{said}");
    let (code, _, said) = scene.run(&["token"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("log in again"), "{said}");
    scene.given = scene.issuer.login("bearward", "alice", "openid offline_access", NOTES).unwrap();
    assert_eq!(scene.run(&["token"]).await.0, 0);
}

// HARD 18
#[tokio::test]
async fn with_a_kept_token_a_server_is_ready_at_once_while_the_issuer_is_down() {
    let name = "with_a_kept_token_a_server_is_ready_at_once_while_the_issuer_is_down";
    let Some(scene) = Scene::new(name, "grant: client_credentials, storage: {access: encrypted}").await
    else {
        return;
    };
    let (code, token, said) = scene.run(&["token"]).await;
    assert_eq!(code, 0, "{said}");
    let (folder, binary, given) = (scene.folder, scene.binary, scene.given);
    let address = scene.issuer.address();
    scene.issuer.stop().await;
    let elsewhere = issuer().start().await.unwrap();
    let environment = scene.environment;
    let scene = Scene { issuer: elsewhere, folder, binary, given, environment, ..scene };
    let mut server = scene.serve().await;
    let (status, said) = scene.ready().await;
    assert_eq!(status, 200, "ready at once: {said}");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(http.get(format!("http://{address}")).send().await.is_err(), "the issuer is down");
    server.terminate().await.unwrap();
    server.until_ended(Duration::from_secs(15)).await.unwrap();
    let (_, again, said) = scene.run(&["token"]).await;
    assert_eq!(again, token, "{said}");
}

#[tokio::test]
async fn a_command_does_not_spend_a_refresh_token_whose_successor_nobody_would_keep() {
    let name = "a_command_does_not_spend_a_refresh_token_whose_successor_nobody_would_keep";
    let Some(scene) = Scene::new(name, &format!("{REFRESH}, storage: {{refresh: memory}}")).await else {
        return;
    };
    for _ in 0..2 {
        let (code, out, said) = scene.run(&["token"]).await;
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(said.contains("adminSocket"), "{said}");
    }
    assert_eq!(scene.issuer.counts().snapshot().grant("refresh_token"), 0);
}

#[tokio::test]
async fn commands_at_one_time_wait_for_each_other() {
    let Some(scene) = Scene::new("commands_at_one_time_wait_for_each_other", REFRESH).await else { return };
    let runs = tokio::join!(scene.run(&["token"]), scene.run(&["token"]), scene.run(&["token"]));
    for (code, token, said) in [runs.0, runs.1, runs.2] {
        assert_eq!(code, 0, "{said}");
        assert!(token.starts_with("ey"), "{token}");
    }
    assert_eq!(scene.issuer.counts().snapshot().grant("refresh_token"), 3);
}

// HARD 14
#[tokio::test]
async fn what_could_not_be_revoked_is_revoked_by_a_later_process() {
    let Some(mut scene) =
        Scene::new("what_could_not_be_revoked_is_revoked_by_a_later_process", REFRESH).await
    else {
        return;
    };
    assert_eq!(scene.run(&["token"]).await.0, 0);
    let down = Fault::Status { status: 503, body: String::new(), retry_after: None };
    scene.issuer.faults().always(Place::Revocation, down);
    let (code, said, _) = scene.run(&["logout"]).await;
    assert_eq!(code, 0);
    assert!(said.contains("could not be told, and will be"), "{said}");
    scene.issuer.faults().clear();
    let before = scene.issuer.counts().snapshot().at(Place::Revocation);
    scene.given = scene.issuer.login("bearward", "alice", "openid offline_access", NOTES).unwrap();
    let mut server = scene.serve().await;
    eventually("the server tells of the logout", || async {
        scene.issuer.counts().snapshot().at(Place::Revocation) > before
    })
    .await;
    server.terminate().await.unwrap();
    server.until_ended(Duration::from_secs(15)).await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_login_that_lives_in_the_systems_keychain_goes_on_over_many_processes_and_leaves_no_file() {
    use bearward_testbed::session_bus::SessionBus;
    let name = "a_login_that_lives_in_the_systems_keychain_goes_on_over_many_processes_and_leaves_no_file";
    if let Some(missing) = SessionBus::missing() {
        return skip(name, &format!("there is no {missing}; on Debian: apt-get install dbus gnome-keyring"));
    }
    let Some(mut scene) = Scene::new(name, &format!("{REFRESH}, storage: {{refresh: keychain}}")).await
    else {
        return;
    };
    let (code, _, said) = scene.run(&["token"]).await;
    assert_eq!(code, 3, "without a keychain");
    assert!(said.contains("start gnome-keyring-daemon"), "{said}");
    assert_eq!(
        scene.issuer.counts().snapshot().grant("refresh_token"),
        0,
        "nothing is spent that cannot be kept"
    );

    let home = tempfile::tempdir().unwrap();
    let bus = SessionBus::start(home.path()).unwrap();
    let _keychain = bus.keychain(true).unwrap();
    scene.environment = bus.environment().into();
    let (one, other) = tokio::join!(scene.run(&["token"]), scene.run(&["token"]));
    for (code, _, said) in [one, other] {
        assert_eq!(code, 0, "{said}");
    }
    assert_eq!(scene.issuer.counts().snapshot().grant("refresh_token"), 2, "one after the other");
    assert_eq!(scene.files().len(), 1, "nothing is in files but their lock");
    assert_eq!(scene.run(&["logout"]).await.0, 0);
    let (code, _, said) = scene.run(&["token"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("log in again"), "{said}");
}

fn contains(file: &[u8], secret: &[u8]) -> bool {
    file.windows(secret.len()).any(|window| window == secret)
}
