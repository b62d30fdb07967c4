//! A real gnome-keyring-daemon on a D-Bus of its own, with a home of its own.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// In Debian's packages `dbus` and `gnome-keyring`.
const PROGRAMS: [&str; 3] = ["dbus-daemon", "dbus-send", "gnome-keyring-daemon"];
const ADDRESS: &str = "DBUS_SESSION_BUS_ADDRESS";
/// Where the daemon keeps what it keeps.
const HOME: &str = "BEARWARD_TEST_HOME";
/// How long the daemon may take to come up.
const START: Duration = Duration::from_secs(20);

/// A message bus that nobody else is on, ended with this.
#[derive(Debug)]
pub struct SessionBus {
    /// None in a process that was told of it.
    process: Option<Child>,
    address: String,
    home: PathBuf,
}

/// The keychain on it, ended with this; what it holds stays in the bus's home.
#[derive(Debug)]
pub struct KeychainDaemon(Child);

impl SessionBus {
    /// The first of the programs that are needed and not installed.
    pub fn missing() -> Option<&'static str> {
        let path = env::var_os("PATH").unwrap_or_default();
        let is_there = |name: &str| env::split_paths(&path).any(|folder| folder.join(name).is_file());
        PROGRAMS.into_iter().find(|name| !is_there(name))
    }

    /// Starts one whose socket and keychain are in the folder `home`.
    ///
    /// # Errors
    /// When `dbus-daemon` does not start.
    pub fn start(home: &Path) -> io::Result<Self> {
        // Without folders of services: nothing is started that the test does not start.
        let config = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
                "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
            <busconfig>
              <type>session</type>
              <listen>unix:dir={}</listen>
              <policy context="default">
                <allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>
              </policy>
            </busconfig>"#,
            home.display()
        );
        let file = home.join("bus.conf");
        fs::write(&file, config)?;
        let mut command = Command::new("dbus-daemon");
        command.arg("--config-file").arg(&file).args(["--nofork", "--print-address=1"]);
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        let said = process.stdout.take().map(BufReader::new);
        said.ok_or(io::ErrorKind::BrokenPipe)?.read_line(&mut address)?;
        let address = address.trim_end().to_owned();
        Ok(Self { process: Some(process), address, home: home.to_owned() })
    }

    /// The one that [`environment`](Self::environment) has told this process of.
    pub fn of_environment() -> Option<Self> {
        let (address, home) = (env::var(ADDRESS).ok()?, env::var_os(HOME)?.into());
        Some(Self { process: None, address, home })
    }

    /// What tells another process of it.
    pub fn environment(&self) -> [(&'static str, OsString); 3] {
        [
            (ADDRESS, self.address.clone().into()),
            ("XDG_RUNTIME_DIR", self.home.clone().into()),
            (HOME, self.home.clone().into()),
        ]
    }

    /// Starts the keychain on it, unlocked or not.
    ///
    /// # Errors
    /// When `gnome-keyring-daemon` does not start, or does not come up.
    pub fn keychain(&self, is_unlocked: bool) -> io::Result<KeychainDaemon> {
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]).args(is_unlocked.then_some("--unlock"));
        command.envs(self.environment()).env("HOME", &self.home);
        command.env_remove("XDG_DATA_HOME").env_remove("DISPLAY");
        let mut daemon = KeychainDaemon(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?);
        daemon.0.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?.write_all(b"password")?;
        self.wait_for_keychain()?;
        Ok(daemon)
    }

    /// It is there when it has its name on the bus.
    fn wait_for_keychain(&self) -> io::Result<()> {
        let began = Instant::now();
        while began.elapsed() < START {
            let mut ask = Command::new("dbus-send");
            ask.envs(self.environment()).args([
                "--session",
                "--print-reply",
                "--dest=org.freedesktop.DBus",
                "/",
                "org.freedesktop.DBus.NameHasOwner",
                "string:org.freedesktop.secrets",
            ]);
            if String::from_utf8_lossy(&ask.output()?.stdout).contains("true") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "gnome-keyring-daemon did not come up"))
    }
}

impl KeychainDaemon {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for SessionBus {
    fn drop(&mut self) {
        self.process.iter_mut().for_each(end);
    }
}

impl Drop for KeychainDaemon {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

fn end(process: &mut Child) {
    // It may have ended already.
    let _ = process.kill();
    let _ = process.wait();
}
