//! A process of a test: its output kept, ready within a bound, gone with its handle.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::{Error, Result};

/// How long a process may take until it listens. Generous: two cores may be busy with other tests.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks whether it listens.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// A running process. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    what: String,
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts it, without input, its output kept.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(what: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = Arc::default();
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(tokio::spawn(keep(stdout, Arc::clone(&output))));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(tokio::spawn(keep(stderr, Arc::clone(&output))));
        }
        Ok(Self { what: what.into(), child, output, readers })
    }

    /// Waits until something accepts connections at `address`.
    ///
    /// # Errors
    /// When the process ends first, or half a minute passes.
    pub async fn until_listening(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.error(format!("ended with {status} before it listened")));
            }
            if Instant::now() > deadline {
                return Err(self.error(format!("did not listen at {address} in time")));
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// The id it was started with; `None` once it has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks it to end, by SIGTERM to the id it was started with.
    ///
    /// # Errors
    /// When it has ended already, or cannot be asked.
    pub async fn terminate(&mut self) -> Result<()> {
        let id = self.child.id().ok_or_else(|| self.error("has ended already"))?;
        let status = Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        if status.success() { Ok(()) } else { Err(self.error("could not be asked to end")) }
    }

    /// Ends it as `kill -9` does, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not within `limit`; it is killed then.
    pub async fn until_ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let Ok(status) = timeout(limit, self.child.wait()).await else {
            self.child.kill().await?;
            return Err(self.error(format!("ran longer than {} s", limit.as_secs())));
        };
        for reader in self.readers.drain(..) {
            // What it had not printed by its end is not ours; a grandchild may hold the pipe open.
            let _ = timeout(Duration::from_secs(2), reader).await;
        }
        Ok(status?)
    }

    /// Everything it printed so far, both streams.
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An error about this process, with its output.
    pub fn error(&self, why: impl Into<String>) -> Error {
        Error::Process { what: self.what.clone(), why: why.into(), output: self.output() }
    }
}

/// A loopback address that nobody listens at, for a process that wants to be told its port.
///
/// Below the ports that systems give to outgoing connections: one of those could take it before the process does.
///
/// # Errors
/// When the machine has no free port.
pub fn free_address() -> Result<SocketAddr> {
    const TRIES: u32 = 100;
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, fastrand::u16(10_000..32_000)));
    let free = (0..TRIES).find_map(|_| bind().ok()).map_or_else(bind, Ok)?;
    Ok(free.local_addr()?)
}

async fn keep(stream: impl AsyncRead + Unpin, output: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        output.push_str(&line);
        output.push('\n');
    }
}
