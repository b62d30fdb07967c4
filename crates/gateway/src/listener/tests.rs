use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(20);

/// A listener that answers everything with `hello`. Ends when the sender is dropped.
async fn start(first: Duration, connections: usize) -> (SocketAddr, oneshot::Sender<()>) {
    start_to_drain(first, connections, SHORT).await
}

async fn start_to_drain(
    first: Duration,
    connections: usize,
    drain: Duration,
) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let patience = Patience { first, between: LONG };
    let limits = Limits { max_head: 64 * 1024, connections, patience, drain };
    let (stop, stopped) = oneshot::channel();
    let stopped = async { drop(stopped.await) };
    let handler = |_: Request<Incoming>, _| async { Response::new(crate::body::full("hello")) };
    tokio::spawn(serve(Listener::Tcp(listener), limits, stopped, handler));
    (address, stop)
}

/// What the peer has to say within the time; `None` when it neither says anything nor closes.
async fn answer(stream: &mut TcpStream, within: Duration) -> Option<String> {
    let mut bytes = vec![0; 1024];
    let read = tokio::time::timeout(within, stream.read(&mut bytes)).await.ok()?;
    Some(String::from_utf8_lossy(&bytes[..read.unwrap_or(0)]).into_owned())
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed_whatever_it_begins_with() {
    let (address, _stop) = start(SHORT, 100).await;
    let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for begin in [&b""[..], b"PRI * HT", b"GET / HTTP/1.1\r\nHost: a\r\n", preface] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(begin).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(LONG, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "still open after {begin:?}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(answer(&mut stream, LONG).await.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(answer(&mut stream, SHORT * 4).await, None, "one that has asked may rest for longer");
}

#[tokio::test]
async fn beyond_its_bound_connections_wait_until_another_ends() {
    let (address, _stop) = start(LONG, 2).await;
    let first = TcpStream::connect(address).await.unwrap();
    let _second = TcpStream::connect(address).await.unwrap();
    let mut third = TcpStream::connect(address).await.unwrap();
    third.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(answer(&mut third, SHORT * 2).await, None);
    drop(first);
    assert!(answer(&mut third, LONG).await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn connections_that_ask_nothing_are_closed_when_it_is_told_to_stop() {
    let (address, stop) = start_to_drain(LONG, 100, LONG).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(answer(&mut idle, LONG).await.unwrap().starts_with("HTTP/1.1 200"));
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    assert!(answer(&mut second, LONG).await.is_some(), "its settings");
    drop(stop);
    assert_ne!(answer(&mut second, LONG).await.unwrap(), "", "it is told to go away (RFC 9113 §6.8)");
    for stream in [&mut idle, &mut silent] {
        let mut rest = Vec::new();
        assert!(tokio::time::timeout(LONG / 2, stream.read_to_end(&mut rest)).await.is_ok(), "still open");
    }
    assert!(TcpStream::connect(address).await.is_err());
}
