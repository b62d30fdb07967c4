//! moto's server as a process of its own, and the calls that put secrets into it.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs};

use aws_sdk_secretsmanager::config::{BehaviorVersion, Builder, Credentials, Region};
use bearward_secrets::{AwsSettings, Secrets, StoreSettings};
use bearward_token::ManualClock;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

pub(crate) const REFRESH: Duration = Duration::from_secs(30);
const PYTHON: &str = "BEARWARD_TEST_PYTHON";
/// Importing all of AWS takes a while on a busy machine.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// A running server. It is killed, by its own id, when dropped.
pub(crate) struct Moto {
    _process: Child,
    _home: TempDir,
    address: SocketAddr,
    /// AWS's own client, for what Bearward never does.
    pub(crate) admin: aws_sdk_secretsmanager::Client,
}

impl Moto {
    /// `None` when it is not installed; that is recorded as a skip.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        let Some(python) = env::var_os(PYTHON).map(PathBuf::from).filter(|path| path.exists()) else {
            skip(test);
            return None;
        };
        let home = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &address.port().to_string()]);
        let output = fs::File::create(home.path().join("output")).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).kill_on_drop(true);
        let mut process = command.env("HOME", home.path()).spawn().unwrap();
        let began = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            let output = || fs::read_to_string(home.path().join("output")).unwrap_or_default();
            assert!(process.try_wait().unwrap().is_none(), "moto ended: {}", output());
            assert!(began.elapsed() < UP_WITHIN, "moto did not come up: {}", output());
            tokio::task::yield_now().await;
        }
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(format!("http://{address}"))
            .credentials_provider(Credentials::new("admin", "admin-key", None, None, "test"));
        let admin = aws_sdk_secretsmanager::Client::from_conf(config.build());
        Some(Self { _process: process, _home: home, address, admin })
    }

    /// Bearward's side, with keys in its environment.
    pub(crate) fn secrets(&self, clock: Arc<ManualClock>) -> Secrets {
        let environment =
            [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "key-of-bearward")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Secrets::with_stores(environment.into(), self.stores(), clock)
    }

    pub(crate) fn stores(&self) -> StoreSettings {
        let endpoint = format!("http://{}", self.address).parse().unwrap();
        let (region, endpoint) = (Some("eu-central-1".to_owned()), Some(endpoint));
        StoreSettings { vault: None, aws: AwsSettings { region, endpoint, refresh: REFRESH } }
    }
}

/// On the terminal and in the list of `cargo xtask test`, which counts what did not run.
fn skip(test: &str) {
    let line = format!(
        "bearward-secrets {test}: {PYTHON} names nothing that exists; run it by `cargo xtask test`\n"
    );
    eprint!("skipped: {line}");
    if let Some(list) = env::var_os("BEARWARD_TEST_SKIPS") {
        // One write of one short line: tests of other processes append to the same file.
        let list = OpenOptions::new().append(true).create(true).open(list);
        list.unwrap().write_all(line.as_bytes()).unwrap();
    }
}
