//! Event streams: a server that keeps them open, and callers that listen.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

/// For all of them to hear an event.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many are opened at once.
const AT_ONCE: usize = 100;
/// Files that this process and its children may have open: two of a stream's connections are ours.
const FILES: u64 = 65_536;

const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}";

/// Answers GET with an event stream that does not end, and POST with a result.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    events: broadcast::Sender<&'static str>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        rlimit::setrlimit(rlimit::Resource::NOFILE, FILES, FILES).expect("root may open many files");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, _) = broadcast::channel(4);
        let followed = events.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, followed.subscribe()));
            }
        });
        Self { address, events }
    }
}

async fn serve(stream: TcpStream, mut events: broadcast::Receiver<&'static str>) {
    let mut stream = BufReader::new(stream);
    while let Some(is_get) = request(&mut stream).await {
        if !is_get {
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
            continue;
        }
        let opened = [STREAM, &*event("open")].concat();
        if stream.write_all(&opened).await.is_err() {
            return;
        }
        while let Ok(word) = events.recv().await {
            if stream.write_all(&event(word)).await.is_err() {
                return;
            }
        }
    }
}

/// Reads a request; whether it is a GET, or `None` at the end.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<bool> {
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).await.ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(first.starts_with("GET"))
}

/// A chunk with one event in it.
fn event(word: &str) -> Vec<u8> {
    let event = format!("data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/{word}\"}}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}

/// Callers that have a stream open.
pub(crate) struct Callers(Vec<TcpStream>);

impl Callers {
    /// Opens them, and waits until each has its first event.
    pub(crate) async fn open(server: SocketAddr, token: &str, many: usize) -> Self {
        let request = format!(
            "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\
             MCP-Protocol-Version: 2025-11-25\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let mut all = Vec::with_capacity(many);
        while all.len() < many {
            let mut opening = Vec::with_capacity(AT_ONCE);
            for _ in 0..AT_ONCE.min(many - all.len()) {
                let mut stream = TcpStream::connect(server).await.unwrap();
                stream.write_all(request.as_bytes()).await.unwrap();
                opening.push(stream);
            }
            for stream in &mut opening {
                until(stream, "notifications/open").await;
            }
            all.append(&mut opening);
        }
        Self(all)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// One event is sent to all, and each hears it.
    pub(crate) async fn all_get_an_event(mut self, upstream: &Upstream) {
        upstream.events.send("later").unwrap();
        for stream in &mut self.0 {
            until(stream, "notifications/later").await;
        }
    }
}

async fn until(stream: &mut TcpStream, word: &str) {
    let mut heard = Vec::new();
    let hearing = async {
        while !String::from_utf8_lossy(&heard).contains(word) {
            let read = stream.read_buf(&mut heard).await.unwrap();
            assert!(read > 0, "closed after {}", String::from_utf8_lossy(&heard));
        }
    };
    tokio::time::timeout(PATIENCE, hearing).await.expect("an event in time");
}
