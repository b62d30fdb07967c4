//! What a server does all day, for the compiler to watch: `cargo xtask dist` runs this before a build that counts itself,
//! and builds again with the counts (docs/performance.md).
//!
//! Callers whose tokens are remembered, new ones, those that are turned away, lists that are cut, event streams, and
//! programs at the sidecar; in the proportions in which a busy server sees them, not in those of a benchmark.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a training that cannot go on fails"
)]

mod behind;
mod callers;
#[path = "../load/request.rs"]
mod request;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bearward_testbed::{Algorithm, SigningKey, TokenBuilder};
use bearward_tests::process::{Running, free_address};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::JoinSet;

use callers::{Asks, Caller};

const ISSUER: &str = "https://idp.test";
const RESOURCE: &str = "http://127.0.0.1/mcp";
/// Callers at once.
const CALLERS: usize = 32;
/// A server with one core has another scheduler than one with several, and all that it polls is compiled for each: what is
/// never seen to run is made small and put out of the way.
const THREADS: [usize; 2] = [1, 2];
/// How long until it has ended, once it is told to.
const END_WITHIN: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for threads in THREADS {
        days(Server::start(threads).await).await;
    }
}

/// What all callers ask in a day.
async fn days(server: Server) {
    let mut callers = JoinSet::new();
    for nth in 0..CALLERS {
        callers.spawn(day(server.listen, server.egress, server.keys.clone(), nth));
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    let metrics = callers::get(server.admin, "/metrics").await;
    println!("{} threads: {} lines of metrics", server.threads, metrics.lines().count());
    server.stop().await;
}

/// What one caller asks, and programs beside it.
async fn day(listen: SocketAddr, egress: SocketAddr, keys: Arc<SigningKey>, nth: usize) {
    let token = |name: String, key: &Arc<SigningKey>| {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        TokenBuilder::new(ISSUER, key.clone(), now)
            .audience(RESOURCE)
            .subject(&name)
            .scope("mcp:tools mcp:read")
            .build()
    };
    let own = token(format!("user-{nth}"), &keys);
    let mut caller = Caller::connect(listen).await;
    for _ in 0..40 {
        for _ in 0..60 {
            caller.ask(&Asks::Tool(&own), 200).await;
        }
        caller.ask(&Asks::Session(&own), 200).await;
        caller.ask(&Asks::List(&own), 200).await;
    }
    for new in 0..300 {
        caller.ask(&Asks::Tool(&token(format!("new-{nth}-{new}"), &keys)), 200).await;
    }
    let stranger = Arc::new(SigningKey::generate(Algorithm::Es256));
    for _ in 0..20 {
        caller.ask(&Asks::Tool(&token("mallory".into(), &stranger)), 401).await;
        caller.ask(&Asks::Nothing, 401).await;
    }
    let mut program = Caller::connect(egress).await;
    for _ in 0..300 {
        program.ask(&Asks::Api, 200).await;
    }
    Caller::connect(listen).await.listen_for_events(&own).await;
}

struct Server {
    running: Running,
    _folder: TempDir,
    threads: usize,
    keys: Arc<SigningKey>,
    listen: SocketAddr,
    egress: SocketAddr,
    admin: SocketAddr,
}

impl Server {
    async fn start(threads: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let keys = Arc::new(SigningKey::generate(Algorithm::Rs256));
        let jwks = serde_json::json!({"keys": [keys.public_jwk()]}).to_string();
        std::fs::write(folder.path().join("jwks.json"), jwks).unwrap();
        let behind = behind::start().await;
        let [listen, egress, admin] = std::array::from_fn(|_| free_address().unwrap());
        let words = [
            ("@THREADS@", threads.to_string()),
            ("@DIR@", folder.path().display().to_string()),
            ("@UPSTREAM@", behind.to_string()),
            ("@LISTEN@", listen.to_string()),
            ("@EGRESS@", egress.to_string()),
            ("@ADMIN@", admin.to_string()),
            ("@ISSUER@", ISSUER.into()),
            ("@RESOURCE@", RESOURCE.into()),
        ];
        let filled = words
            .iter()
            .fold(include_str!("bearward.yaml").to_owned(), |text, (word, value)| text.replace(word, value));
        let config = folder.path().join("bearward.yaml");
        std::fs::write(&config, filled).unwrap();
        let binary = std::env::var("BEARWARD_BIN").expect("`cargo xtask dist` says where the server is");
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(&config).env("BENCH_SECRET", "secret of the training");
        let mut running = Running::start("bearward", &mut command).unwrap();
        running.until_listening(listen).await.unwrap();
        running.until_listening(egress).await.unwrap();
        Self { running, _folder: folder, threads, keys, listen, egress, admin }
    }

    /// It writes its counts when it ends by itself.
    async fn stop(mut self) {
        self.running.terminate().await.unwrap();
        let status = self.running.until_ended(END_WITHIN).await.unwrap();
        assert!(status.success(), "{}", self.running.error(format!("ended with {status}")));
    }
}
