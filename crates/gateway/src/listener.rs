//! Accepts connections, bounds what a peer may cost before it is known, and drains on shutdown.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::activity::{Activity, Patience, until_sent};
use crate::answer::Asked;
use crate::bell::Bell;
use crate::body::Body;
use crate::framing::Watched;
use crate::relay::Relay;
use crate::wire::Wire;

/// A peer that vanished without a word is noticed after about two of these.
const ALIVE: Duration = Duration::from_secs(30);
/// Pause after `accept` failed, which it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// That is said at most so often.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

/// What one listener allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest head of a request, in bytes: beyond it the answer is 431.
    pub max_head: usize,
    /// Most connections at once; further ones wait to be accepted.
    pub connections: usize,
    /// How long a connection may do nothing.
    pub patience: Patience,
    /// How long open requests may go on after shutdown was asked for.
    pub drain: Duration,
}

/// Serves until `shutdown` completes, then lets open requests end, at most `limits.drain`.
///
/// Every connection is a task of this function's own; all have ended when it returns. Requests that came by HTTP/2 are
/// tasks of the runtime, which end with it.
pub async fn serve<H, F>(listener: Listener, limits: Limits, shutdown: impl Future<Output = ()>, handler: H)
where
    H: Fn(Request<Incoming>, Option<IpAddr>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let handler = Arc::new(handler);
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut warned_at = None;
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let has_room = connections.len() < limits.connections;
        let accepted = tokio::select! {
            accepted = accept(&listener), if has_room => accepted,
            // Reaps connections that have ended, so that the set does not grow.
            Some(_) = connections.join_next() => continue,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let handler = handler.clone();
                let handler = move |request| handler(request, peer);
                connections.spawn(serve_connection(stream, limits, stopped.clone(), handler));
            }
            Err(error) => {
                if warned_at.is_none_or(|at: Instant| at.elapsed() >= WARN_INTERVAL) {
                    warned_at = Some(Instant::now());
                    tracing::warn!(%error, open = connections.len(), "connections cannot be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, ended).await.is_err() {
        tracing::warn!(open = connections.len(), "requests still open after the drain time are cut");
    }
    connections.shutdown().await;
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn accept(listener: &Listener) -> io::Result<(Box<dyn Stream>, Option<IpAddr>)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            // Events are small and must not wait for each other.
            stream.set_nodelay(true)?;
            SockRef::from(&stream)
                .set_tcp_keepalive(&TcpKeepalive::new().with_time(ALIVE).with_interval(ALIVE))?;
            Ok((Box::new(stream), Some(peer.ip())))
        }
        Listener::Unix(listener) => Ok((Box::new(listener.accept().await?.0), None)),
    }
}

/// What a connection is told beside what comes on it.
enum Word {
    /// No further requests.
    Stop,
    /// It has done nothing for too long.
    Idle,
}

async fn serve_connection<H, F>(
    stream: Box<dyn Stream>,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
    handler: H,
) where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let (activity, relay) = (Activity::new(), Relay::new());
    let (stream, doubt) = Watched::new(stream);
    let service = service_fn(|request| {
        let open = activity.open();
        // Boxed: it is large, and an open connection would have room for it all the time.
        let answer = if doubt.is_there() { Err(two_lengths()) } else { Ok(Box::pin(handler(request))) };
        async move {
            let answer = match answer {
                Ok(answer) => answer.await,
                Err(refused) => refused,
            };
            Ok::<_, Infallible>(until_sent(answer, open))
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        // No more than a hundred header fields, which is what hyper takes, faster than a number that it is told.
        .max_buf_size(limits.max_head);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(ALIVE)
        .keep_alive_timeout(ALIVE)
        .max_header_list_size(u32::try_from(limits.max_head).unwrap_or(u32::MAX));
    let mut connection = pin!(server.serve_connection(TokioIo::new(Wire::new(stream, &relay)), service));
    // Each is asked when it has something to say, not whenever something comes on the connection.
    let words = FuturesUnordered::<BoxFuture<'_, Word>>::new();
    words.push(Box::pin(async {
        // Whoever could say it is gone: that says it, too.
        let _ = stopped.wait_for(|stop| *stop).await;
        Word::Stop
    }));
    words.push(Box::pin(async {
        activity.idle(limits.patience).await;
        Word::Idle
    }));
    let mut words = pin!(words);
    let bell = Bell::new(&relay);
    let mut step = |cx: &mut Context<'_>| {
        while let Poll::Ready(Some(word)) = bell.poll(cx, |cx| words.poll_next_unpin(cx)) {
            match word {
                Word::Stop => connection.as_mut().graceful_shutdown(),
                Word::Idle => {
                    tracing::debug!("a connection that did nothing is closed");
                    return Poll::Ready(());
                }
            }
        }
        connection.as_mut().poll(cx).map(|ended| {
            if let Err(error) = ended {
                // A peer that goes away or sends no HTTP is the internet, not a failure of ours.
                tracing::debug!(%error, "connection ended");
            }
        })
    };
    poll_fn(|cx| relay.poll(cx, &mut step)).await;
}

/// Where the next request begins is anybody's guess, so there is none.
fn two_lengths() -> Response<Body> {
    let mut answer =
        Asked::plain().error(StatusCode::BAD_REQUEST, "The request gives the length of its body twice");
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

#[cfg(test)]
mod tests;
