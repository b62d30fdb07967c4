//! `chromedriver` as a process, and one session of Chromium: both gone with their handle, however the test ends.
//!
//! Chromium is many processes, and its driver is the parent of the first alone. They stand in one process group whose
//! leader, a shell, ends them all when its input does. That is when this is dropped, and also when the test's
//! process is killed and nothing is dropped any more.

#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::process::free_address;
use crate::tools::BrowserPrograms;

/// Its arguments are the driver and the driver's. The driver is killed by its id and waited for, the rest by the group's.
const LEADER: &str = r#"exec 3<&0
"$@" 3<&- &
driver=$!
{ cat <&3; kill -KILL $driver; } &
wait $driver
kill -KILL 0"#;

/// What the driver prints, in its folder.
const OUTPUT: &str = "chromedriver.log";
/// How long the driver may take until it listens, and then Chromium until it is there.
const START: Duration = Duration::from_secs(30);
/// Between two looks whether it listens.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// How long Chromium may take to quit before it is killed.
const QUIT: Duration = Duration::from_secs(5);
/// How long a page may load, or a script run, before the driver gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The running driver with its browser.
#[derive(Debug)]
pub(super) struct Driver {
    leader: Child,
    address: SocketAddr,
    session: Option<String>,
    /// Home, profile, temporary files and what the driver prints. Removed last.
    folder: TempDir,
}

impl Driver {
    /// # Panics
    /// When driver or browser do not start.
    pub(super) async fn start(programs: &BrowserPrograms) -> (Self, Client) {
        let address = free_address().expect("a free port for chromedriver");
        let folder = tempfile::tempdir().expect("a folder for the browser");
        let output = File::create(folder.path().join(OUTPUT)).expect("a file for what chromedriver prints");
        let mut command = Command::new("sh");
        command.args(["-c", LEADER, "sh"]).arg(&programs.chromedriver);
        command.arg(format!("--port={}", address.port()));
        // Nothing of it stays behind: crash reports, caches, sockets.
        command.env("HOME", folder.path()).env("TMPDIR", folder.path());
        command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_CACHE_HOME");
        command.stdin(Stdio::piped()).stdout(output.try_clone().expect("the same file again")).stderr(output);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let leader = command.spawn().expect("a shell, to start chromedriver");
        let mut driver = Self { leader, address, session: None, folder };
        driver.until_listening().await;
        let client = driver.connect(programs).await;
        (driver, client)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the driver printed so far.
    pub(super) fn output(&self) -> String {
        let output = fs::read_to_string(self.folder.path().join(OUTPUT));
        output.map_or_else(
            |error| format!("chromedriver's output: {error}"),
            |said| format!("chromedriver said:\n{said}"),
        )
    }

    async fn until_listening(&mut self) {
        let deadline = Instant::now() + START;
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            let ended = self.leader.try_wait().expect("the state of chromedriver's shell");
            assert!(ended.is_none(), "chromedriver ended before it listened. {}", self.output());
            assert!(Instant::now() < deadline, "chromedriver did not listen in time. {}", self.output());
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Starts Chromium.
    async fn connect(&mut self, programs: &BrowserPrograms) -> Client {
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(self.capabilities(programs));
        let url = format!("http://{}", self.address);
        let client = match timeout(START, builder.connect(&url)).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => panic!("Chromium did not start: {error}. {}", self.output()),
            Err(_) => panic!("Chromium did not start in time. {}", self.output()),
        };
        self.session = client.session_id().await.expect("the id of the new session");
        // It is ours to end: the client could do it no more once the runtime has stopped.
        client.persist().await.expect("a client that leaves its session alone");
        client
    }

    fn capabilities(&self, programs: &BrowserPrograms) -> Capabilities {
        let profile = format!("--user-data-dir={}", self.folder.path().join("profile").display());
        let arguments = [
            "--headless=new",
            // Chromium's own sandbox does not start for root, nor in most containers.
            "--no-sandbox",
            "--disable-gpu",
            // The shared memory of a container is often too small.
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--no-proxy-server",
            &profile,
        ];
        let patience = PATIENCE.as_millis();
        let capabilities = json!({
            "goog:chromeOptions": {"binary": programs.chromium, "args": arguments},
            "timeouts": {"implicit": 0, "pageLoad": patience, "script": patience},
        });
        match capabilities {
            Value::Object(capabilities) => capabilities,
            _ => Capabilities::new(),
        }
    }

    /// Asks the driver to quit Chromium. By hand, because nothing can be awaited while a test panics.
    fn quit(&self, session: &str) -> std::io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&self.address, QUIT)?;
        stream.set_read_timeout(Some(QUIT))?;
        let address = self.address;
        write!(stream, "DELETE /session/{session} HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
        // Its answer begins when Chromium is gone; it does not close the connection.
        stream.read(&mut [0; 64]).map(drop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // Where it cannot be asked, it is killed below.
            let _ = self.quit(&session);
        }
        drop(self.leader.stdin.take());
        let _ = self.leader.wait();
    }
}
