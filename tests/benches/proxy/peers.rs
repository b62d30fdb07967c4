//! The proxies, what stands behind them, and the tokens they are shown.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bearward_testbed::{Algorithm, SigningKey, TokenBuilder};
use bearward_tests::process::{Running, free_address};
use tempfile::TempDir;
use tokio::process::Command;

const ISSUER: &str = "https://idp.test";
const RESOURCE: &str = "http://127.0.0.1/mcp";
/// So many tokens in turn, more than the cache is given here: each is verified anew.
const MANY: usize = 5_000;
const ENTRIES: &str = "1000";

/// Where load goes.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    /// Whose processor time counts; `None`: the upstream itself.
    pub(crate) process: Option<u32>,
    pub(crate) tokens: Tokens,
}

/// Which tokens it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tokens {
    /// One and the same.
    One,
    /// Many in turn.
    Many,
}

/// All of them, running.
pub(crate) struct Peers {
    folder: TempDir,
    running: Vec<Running>,
    pub(crate) targets: Vec<Target>,
}

impl Peers {
    /// Starts what is installed, and says what is not.
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        write_tokens(folder.path());
        let [upstream, tokens, nginx, bare, haproxy, haproxy_jwt, ours, admin] =
            std::array::from_fn(|_| free_address().unwrap());
        let mut peers = Self { folder, running: Vec::new(), targets: Vec::new() };
        let words = [
            ("@DIR@", peers.folder().display().to_string()),
            ("@UPSTREAM@", upstream.to_string()),
            ("@TOKENS@", tokens.to_string()),
            ("@NGINX@", nginx.to_string()),
            ("@HAPROXY@", haproxy.to_string()),
            ("@HAPROXY_JWT@", haproxy_jwt.to_string()),
            ("@OURS@", ours.to_string()),
            ("@ADMIN@", admin.to_string()),
            ("@ISSUER@", ISSUER.into()),
            ("@RESOURCE@", RESOURCE.into()),
            ("@ENTRIES@", ENTRIES.into()),
        ];
        let write = |name: &str, template: &str| {
            let filled =
                words.iter().fold(template.to_owned(), |text, (word, value)| text.replace(word, value));
            let path = peers.folder.path().join(name);
            std::fs::write(&path, filled).unwrap();
            path
        };
        let behind = write("upstream.conf", include_str!("upstream.conf"));
        let plain = write("nginx.conf", include_str!("nginx.conf"));
        let verifying = write("haproxy.cfg", include_str!("haproxy.cfg"));
        let own = write("bearward.yaml", include_str!("bearward.yaml"));
        for needed in ["taskset", "wrk", "nginx"] {
            assert!(
                is_installed(needed),
                "`{needed}` is needed: on Debian `apt-get install nginx-light haproxy wrk`"
            );
        }
        peers.run(1, &["nginx", "-c", text(&behind)], upstream).await;
        peers.target("direct", upstream, None, Tokens::One);
        let id = peers.run(0, &["nginx", "-c", text(&plain)], nginx).await;
        peers.target("nginx-plain", nginx, Some(id), Tokens::One);
        let program = built("BEARWARD_BARE");
        let id = peers.run(0, &[&program, &bare.to_string(), &upstream.to_string()], bare).await;
        peers.target("bare", bare, Some(id), Tokens::One);
        if is_installed("haproxy") {
            let id = peers.run(0, &["haproxy", "-db", "-f", text(&verifying)], haproxy_jwt).await;
            peers.target("haproxy-plain", haproxy, Some(id), Tokens::One);
            peers.target("haproxy-jwt", haproxy_jwt, Some(id), Tokens::One);
            peers.target("haproxy-jwt.cold", haproxy_jwt, Some(id), Tokens::Many);
        } else {
            eprintln!("haproxy is not installed and left out");
        }
        let id = peers.run(0, &[&built("BEARWARD_BIN"), "serve", "--config", text(&own)], ours).await;
        peers.target("ours", ours, Some(id), Tokens::One);
        peers.target("ours.cold", ours, Some(id), Tokens::Many);
        peers
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends all of them, by the ids they were started with.
    pub(crate) async fn stop(&mut self) {
        for mut running in self.running.drain(..).rev() {
            running.terminate().await.unwrap();
            running.until_ended(Duration::from_secs(20)).await.unwrap();
        }
    }

    /// On one core. The id is `taskset`'s, which becomes the process itself.
    async fn run(&mut self, core: u32, words: &[&str], address: SocketAddr) -> u32 {
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).args(words).env("BENCH_SECRET", "secret of the bench");
        let mut running = Running::start(words[0], &mut command).unwrap();
        running.until_listening(address).await.unwrap();
        let id = running.id().unwrap();
        self.running.push(running);
        id
    }

    fn target(&mut self, name: &str, address: SocketAddr, process: Option<u32>, tokens: Tokens) {
        self.targets.push(Target { name: name.into(), address, process, tokens });
    }
}

fn write_tokens(folder: &Path) {
    let key = Arc::new(SigningKey::generate(Algorithm::Rs256));
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let token = |subject: &str| {
        TokenBuilder::new(ISSUER, key.clone(), now)
            .audience(RESOURCE)
            .subject(subject)
            .scope("mcp:tools mcp:read")
            .claim("exp", now + 6 * 3600)
            .build()
    };
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    write("one.txt", token("alice") + "\n");
    write(
        "many.txt",
        (0..MANY).fold(String::new(), |mut all, nth| {
            writeln!(all, "{}", token(&format!("user-{nth}"))).unwrap();
            all
        }),
    );
    write("jwks.json", serde_json::json!({"keys": [key.public_jwk()]}).to_string());
    let encoded = STANDARD.encode(key.public_der());
    write("key.pem", format!("-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n"));
}

/// A program that was built for this.
fn built(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("`cargo xtask bench --proxy` says by {variable} where it is"))
}

fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps some of them where only root looks.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.into_iter().any(|folder| folder.join(name).is_file())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
