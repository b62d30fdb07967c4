//! Bearward with the whole job to do, tokens for it, and the simplest server behind.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bearward_testbed::{Algorithm, SigningKey, TokenBuilder};
use bearward_tests::process::{Running, free_address};
use tempfile::TempDir;
use tokio::process::Command;

use crate::load::{self, Figures, Load};

const ISSUER: &str = "https://idp.test";
const RESOURCE: &str = "http://127.0.0.1/mcp";
/// Remembers all that are shown here, as a fleet's instance is told to that has the memory.
const ENTRIES: &str = "200000";

pub(crate) struct Server {
    folder: TempDir,
    running: Vec<Running>,
    process: u32,
    /// nginx before the same upstream, which looks at nothing: what it costs the kernel grows too.
    forwarder: (SocketAddr, u32),
    pub(crate) address: SocketAddr,
    /// One that it lets in.
    pub(crate) token: String,
    /// From its start until it was ready.
    pub(crate) ready_after: Duration,
}

/// The server that is measured.
pub(crate) fn binary() -> String {
    std::env::var("BEARWARD_BIN").expect("`cargo xtask bench --scale` says where the server is")
}

impl Server {
    /// Starts it with so many tokens, before `upstream` or before one of its own.
    pub(crate) async fn start(tokens: usize, upstream: Option<SocketAddr>) -> Self {
        let folder = TempDir::new().unwrap();
        let token = write_tokens(&folder, tokens);
        let [own_upstream, token_endpoint, forwarder, address, admin] =
            std::array::from_fn(|_| free_address().unwrap());
        // By itself a listener takes a quarter of the files that it may open; a stream is one connection of it, and others
        // want to be let in beside.
        let streams = if upstream.is_some() { "server: {maxConnections: 11000, " } else { "server: {" };
        let words = [
            ("server: {", streams.to_owned()),
            ("@DIR@", folder.path().display().to_string()),
            ("@UPSTREAM@", upstream.unwrap_or(own_upstream).to_string()),
            ("@TOKENS@", token_endpoint.to_string()),
            ("@NGINX@", forwarder.to_string()),
            ("@OURS@", address.to_string()),
            ("@ADMIN@", admin.to_string()),
            ("@ISSUER@", ISSUER.into()),
            ("@RESOURCE@", RESOURCE.into()),
            ("@ENTRIES@", ENTRIES.into()),
            ("RS256", "ES256".into()),
        ];
        let write = |name: &str, template: &str| {
            let filled =
                words.iter().fold(template.to_owned(), |text, (word, value)| text.replace(word, value));
            let path = folder.path().join(name);
            std::fs::write(&path, filled).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let behind = write("upstream.conf", &upstream_conf(upstream.is_some()));
        let forwarding = write("nginx.conf", include_str!("../proxy/nginx.conf"));
        let config = write("bearward.yaml", include_str!("../proxy/bearward.yaml"));
        let mut nginx = Running::start("nginx", &mut on_core(1, &["nginx", "-c", &behind])).unwrap();
        nginx.until_listening(if upstream.is_some() { token_endpoint } else { own_upstream }).await.unwrap();
        let mut beside = Running::start("nginx", &mut on_core(0, &["nginx", "-c", &forwarding])).unwrap();
        beside.until_listening(forwarder).await.unwrap();
        let forwarder = (forwarder, beside.id().unwrap());
        let started = Instant::now();
        let mut ours =
            Running::start("bearward", &mut on_core(0, &[&binary(), "serve", "--config", &config])).unwrap();
        let ready_after = until_ready(admin, started, &mut ours).await;
        let process = ours.id().unwrap();
        Self { folder, running: vec![nginx, beside, ours], process, forwarder, address, token, ready_after }
    }

    /// What a request costs.
    pub(crate) async fn under_load(&self, connections: u32, secs: u32) -> Figures {
        self.load(self.address, self.process, connections, secs).await
    }

    /// The processor time that it has used so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        load::cpu_seconds(&load::tree(self.process))
    }

    /// What it costs nginx to forward it.
    pub(crate) async fn forwarder_under_load(&self, connections: u32, secs: u32) -> Figures {
        let (address, process) = self.forwarder;
        self.load(address, process, connections, secs).await
    }

    async fn load(&self, address: SocketAddr, process: u32, connections: u32, secs: u32) -> Figures {
        let tokens = self.tokens();
        load::measure(&Load { address, process: Some(process), tokens: &tokens, connections, secs }).await
    }

    /// Until each token was shown at least once: until a single load, which begins with the first, came to the last.
    pub(crate) async fn see_all(&self) {
        let all = std::fs::read_to_string(self.tokens()).unwrap().lines().count() as f64;
        let mut secs = 2;
        while self.under_load(64, secs).await.per_second * f64::from(secs) < all {
            secs *= 2;
        }
    }

    fn tokens(&self) -> PathBuf {
        self.folder.path().join("tokens.txt")
    }

    /// Ends it and what was started for it.
    pub(crate) async fn stop(mut self) {
        for mut running in self.running.drain(..).rev() {
            running.terminate().await.unwrap();
            running.until_ended(Duration::from_secs(20)).await.unwrap();
        }
    }
}

/// Asks as fast as it can, so that what is measured is the server's time and not ours.
async fn until_ready(admin: SocketAddr, started: Instant, ours: &mut Running) -> Duration {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    loop {
        if let Ok(answer) = http.get(format!("http://{admin}/readyz")).send().await
            && answer.status().is_success()
        {
            return started.elapsed();
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{}", ours.error("is not ready"));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Without the MCP endpoint where another server stands behind.
fn upstream_conf(is_elsewhere: bool) -> String {
    let whole = include_str!("../proxy/upstream.conf");
    if is_elsewhere { whole.replace("@UPSTREAM@", "unix:@DIR@/unused.sock") } else { whole.to_owned() }
}

fn on_core(core: u32, words: &[&str]) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).args(words).env("BENCH_SECRET", "secret of the bench");
    command
}

/// Writes them, one a line, and returns the first.
fn write_tokens(folder: &TempDir, many: usize) -> String {
    let key = Arc::new(SigningKey::generate(Algorithm::Es256));
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let token = |nth: usize| {
        TokenBuilder::new(ISSUER, key.clone(), now)
            .audience(RESOURCE)
            .subject(&format!("user-{nth}"))
            .scope("mcp:tools mcp:read")
            .build()
    };
    let all = (0..many).fold(String::new(), |mut all, nth| {
        writeln!(all, "{}", token(nth)).unwrap();
        all
    });
    let first = all.lines().next().unwrap().to_owned();
    std::fs::write(folder.path().join("tokens.txt"), all).unwrap();
    let keys = serde_json::json!({"keys": [key.public_jwk()]}).to_string();
    std::fs::write(folder.path().join("jwks.json"), keys).unwrap();
    first
}
