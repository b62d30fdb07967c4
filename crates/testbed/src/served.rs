//! Runs a router on loopback: a free port or a given one, stopped on demand or when dropped, and able to
//! break off a connection in the middle, which a router alone cannot.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt;

use crate::lent::Lent;
use crate::raw::RawInstead;

/// Put into an answer's extensions: the connection is closed instead of answering.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CloseInstead;

/// A server that is up. Stops, connections included, when dropped.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Served {
    /// Binds `address` (port 0: a free one) and serves.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(address: SocketAddr, router: Router) -> io::Result<Self> {
        // tokio sets SO_REUSEADDR on Unix: a server can restart where it was a moment ago.
        Self::on(TcpListener::bind(address).await?, router)
    }

    /// Serves on a listener that is bound already, for routers that must know their own address.
    ///
    /// # Errors
    /// When the listener has no address.
    pub(crate) fn on(listener: TcpListener, router: Router) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { address, task: tokio::spawn(accept_for_ever(listener, router)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops and waits until the port is free again.
    pub async fn stop(mut self) {
        self.task.abort();
        // An aborted task ends with an error that says just that.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept_for_ever(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve_connection(stream, router.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router) {
    // Events of a stream are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let (stream, raw) = (Lent::new(stream), Arc::new(OnceLock::new()));
    let service = service_fn({
        let raw = raw.clone();
        move |request: Request<Incoming>| {
            let (router, raw) = (router.clone(), raw.clone());
            async move {
                let answer: Response<Body> = match router.oneshot(request.map(Body::new)).await {
                    Ok(answer) => answer,
                    Err(never) => match never {},
                };
                // An error is the only way to make the HTTP server let go of the connection without a word.
                let let_go = Err(io::Error::from(io::ErrorKind::ConnectionReset));
                if answer.extensions().get::<CloseInstead>().is_some() {
                    return let_go;
                }
                match answer.extensions().get::<RawInstead>() {
                    Some(acts) => {
                        let _ = raw.set(acts.clone());
                        let_go
                    }
                    None => Ok(answer),
                }
            }
        }
    });
    let io = TokioIo::new(stream.clone());
    // A peer that goes away ends the connection; there is nobody to tell.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
    if let (Some(raw), Some(stream)) = (raw.get(), stream.back()) {
        raw.clone().play(stream).await;
    }
}
