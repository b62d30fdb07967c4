//! Adds a bearer token to every request of a program that cannot send one.
//!
//! Everything else passes as it came: `Host` and `Origin` too, because the conformance suite tests what a
//! server does with foreign ones. Bodies stream both ways; a side that goes away takes the other with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::Result;

/// The running forwarder. Stops when dropped.
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddr,
    task: JoinHandle<()>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Forwarder {
    /// Forwards what arrives at a free port to `target`, with this token.
    ///
    /// # Errors
    /// When no port can be bound, or the token cannot stand in a header.
    pub async fn start(target: SocketAddr, token: &str) -> Result<Self> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(std::io::Error::other)?;
        bearer.set_sensitive(true);
        let bearer = Arc::new(bearer);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, target, Arc::clone(&bearer)));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens; the path of the URL to give to a program is that of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, target: SocketAddr, bearer: Arc<HeaderValue>) {
    // Events are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| forward(request, target, Arc::clone(&bearer)));
    // A peer that goes away ends the connection; there is nobody to tell.
    let _ = server::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// One connection a request: nothing of one request can reach another.
async fn forward(
    mut request: Request<Incoming>,
    target: SocketAddr,
    bearer: Arc<HeaderValue>,
) -> std::result::Result<Response<Incoming>, Failure> {
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::clone(&bearer));
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with its response: when that is dropped, so is the connection.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}
