//! Binds what the settings name, before anything runs: an address in use is known at once.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::Path;

use bearward_gateway::listener::Listener;
use tokio::net::{UnixListener, UnixStream};

use crate::cli::serve::random_seed;
use crate::config::settings::{ListenAddress, ServerSettings};

/// Bound sockets.
pub struct Sockets {
    /// The guarded side.
    pub listen: tokio::net::TcpListener,
    /// The admin pages.
    pub admin: tokio::net::TcpListener,
    /// For operators of this machine.
    pub admin_socket: Option<UnixListener>,
    /// The sidecar.
    pub egress: Option<Listener>,
}

impl Sockets {
    /// Binds what the settings name.
    ///
    /// # Errors
    /// Which address cannot be bound, and why.
    pub async fn bind(server: &ServerSettings) -> io::Result<Self> {
        let egress = match &server.egress {
            None => None,
            Some(ListenAddress::Tcp(address)) => Some(Listener::Tcp(bind(*address).await?)),
            Some(ListenAddress::Unix(path)) => Some(Listener::Unix(bind_unix(path).await?)),
        };
        let admin_socket = match &server.admin_socket {
            Some(path) => Some(bind_unix(path).await?),
            None => None,
        };
        Ok(Self {
            listen: bind(server.listen).await?,
            admin: bind(server.admin).await?,
            admin_socket,
            egress,
        })
    }
}

async fn bind(address: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    tokio::net::TcpListener::bind(address).await.map_err(named)
}

/// A socket for its owner alone. One left over by a process that is gone is replaced; a live one is not, and
/// neither is anything that is no socket.
async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}", path.display()))
    };
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            return Err(named(io::Error::other("there is a file of that name, and it is no socket")));
        }
        Ok(_) if is_live(path).await => return Err(named(io::ErrorKind::AddrInUse.into())),
        _ => {}
    }
    bind_privately(path).map_err(named)
}

/// Only where nobody listens is a socket left over: one that is busy, or not ours to use, is somebody's.
async fn is_live(path: &Path) -> bool {
    match UnixStream::connect(path).await {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound),
    }
}

/// Between binding and `chmod` others could connect, so both happen in a folder that they cannot enter; the
/// finished socket is then moved to its place, which also replaces a left-over one in one step.
fn bind_privately(path: &Path) -> io::Result<UnixListener> {
    // Short, because the path of a socket may have 107 bytes at most.
    let folder = path.with_file_name(format!(".b{:08x}", random_seed() as u32));
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let bound = (|| {
        let inside = folder.join("s");
        let listener = UnixListener::bind(&inside)?;
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o600))?;
        fs::rename(&inside, path)?;
        Ok(listener)
    })();
    // Empty when all went well; otherwise the error matters more than what is left behind.
    let _ = fs::remove_dir_all(&folder);
    bound
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_is_for_its_owner_alone_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.sock");
        let _listener = bind_unix(&path).await.unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(is_live(&path).await);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_socket_left_over_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.sock");
        let live = bind_unix(&path).await.unwrap();
        assert_eq!(bind_unix(&path).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(live);
        assert!(path.exists() && !is_live(&path).await);
        let _listener = bind_unix(&path).await.unwrap();
        assert!(is_live(&path).await);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        fs::write(&path, "data").unwrap();
        let error = bind_unix(&path).await.unwrap_err().to_string();
        assert!(error.contains("no socket") && error.contains("precious"), "{error}");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(bind_unix(&link).await.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"data");
    }

    #[tokio::test]
    async fn a_server_that_is_too_busy_to_answer_is_a_live_one_and_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.sock");
        let _busy = bind_unix(&path).await.unwrap();
        // Nobody accepts: the queue of those that wait fills.
        let mut waiting = Vec::new();
        while let Ok(stream) = UnixStream::connect(&path).await {
            waiting.push(stream);
            assert!(waiting.len() < 100_000, "the queue has no end");
        }
        assert_eq!(bind_unix(&path).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
