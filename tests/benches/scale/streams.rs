//! Event streams: a server that keeps them open, and callers that listen.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::broadcast;

use crate::request::request;

/// For all of them to hear an event.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many are opened at once.
const AT_ONCE: usize = 100;
/// Files that the server has open besides its streams.
const FILES_FOR_ALL_ELSE: usize = 512;

const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}";

/// The word by which this program is started as what stands behind.
pub(crate) const BEHIND: &str = "behind";

/// So many streams as are wanted, or as the server may have files open for: each is two of its connections.
pub(crate) fn possible(wanted: usize) -> usize {
    let (_, hard) = rlimit::getrlimit(rlimit::Resource::NOFILE).unwrap();
    let possible = usize::try_from(hard).unwrap_or(usize::MAX).saturating_sub(FILES_FOR_ALL_ELSE) / 2;
    if possible < wanted {
        println!("\nno more than {hard} files may be open here, and a stream is two: {possible} streams");
    }
    possible.min(wanted)
}

fn raise_limit() {
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit may be raised as far as it goes");
}

/// Answers GET with an event stream that does not end, and POST with a result. A process of its own, for its ends of the
/// streams are files too.
pub(crate) struct Upstream {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        raise_limit();
        // With the load, on the core that the server has not got.
        let mut process = Command::new("taskset")
            .args(["-c", "1"])
            .arg(std::env::current_exe().unwrap())
            .arg(BEHIND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = said.next_line().await.unwrap().expect("it says where it listens").parse().unwrap();
        Self { process, address }
    }

    /// Sends an event to all.
    async fn send(&mut self, word: &str) {
        let told = self.process.stdin.as_mut().expect("it is piped");
        told.write_all(format!("{word}\n").as_bytes()).await.unwrap();
        told.flush().await.unwrap();
    }
}

/// What the process does that stands behind: each line it is told is an event for all. It ends with its input.
pub(crate) async fn stand_behind() {
    raise_limit();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let (events, _) = broadcast::channel::<String>(4);
    let followed = events.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, followed.subscribe()));
        }
    });
    let mut told = BufReader::new(tokio::io::stdin()).lines();
    while let Some(word) = told.next_line().await.unwrap() {
        let _ = events.send(word);
    }
}

async fn serve(stream: TcpStream, mut events: broadcast::Receiver<String>) {
    let mut stream = BufReader::new(stream);
    while let Some((line, _)) = request(&mut stream).await {
        if !line.starts_with("GET") {
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
            if stream.write_all(&event(&word)).await.is_err() {
                return;
            }
        }
    }
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
            for (nth, stream) in opening.iter_mut().enumerate() {
                assert!(until(stream, "notifications/open").await, "stream {} has no event", all.len() + nth);
            }
            all.append(&mut opening);
        }
        Self(all)
    }

    /// One event is sent to all, and each hears it.
    pub(crate) async fn all_got_an_event(mut self, upstream: &mut Upstream) -> Self {
        upstream.send("later").await;
        for stream in &mut self.0 {
            assert!(until(stream, "notifications/later").await, "a stream has not got the later event");
        }
        self
    }
}

/// Whether an event comes in time.
async fn until(stream: &mut TcpStream, word: &str) -> bool {
    let mut heard = Vec::new();
    let hearing = async {
        while !String::from_utf8_lossy(&heard).contains(word) {
            let read = stream.read_buf(&mut heard).await.unwrap();
            assert!(read > 0, "closed after {}", String::from_utf8_lossy(&heard));
        }
    };
    tokio::time::timeout(PATIENCE, hearing).await.is_ok()
}
