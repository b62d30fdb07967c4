//! Callers that keep their connections, as clients of MCP do.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::behind;

/// One question.
pub(crate) enum Asks<'a> {
    /// A tool, with a token.
    Tool(&'a str),
    /// For a session.
    Session(&'a str),
    /// For what tools there are: the answer is cut.
    List(&'a str),
    /// A tool, without a token.
    Nothing,
    /// A program at the sidecar.
    Api,
}

/// A connection.
pub(crate) struct Caller(BufReader<TcpStream>);

impl Caller {
    pub(crate) async fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Asks, and reads the whole of the answer.
    pub(crate) async fn ask(&mut self, asks: &Asks<'_>, expected: u16) {
        self.0.write_all(asks.text().as_bytes()).await.unwrap();
        let (status, length) = self.head().await;
        let mut body = vec![0; length.expect("an answer gives its length")];
        self.0.read_exact(&mut body).await.unwrap();
        assert_eq!(status, expected, "{}", String::from_utf8_lossy(&body));
    }

    /// Opens an event stream and hears it to its end.
    pub(crate) async fn listen_for_events(mut self, token: &str) {
        let head = format!(
            "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n\
             Connection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        self.0.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(self.head().await.0, 200);
        let mut heard = String::new();
        self.0.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard.matches("notifications/progress").count(), behind::EVENTS);
    }

    /// Status and length of an answer.
    async fn head(&mut self) -> (u16, Option<usize>) {
        let (mut status, mut length) = (0, None);
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).await.unwrap() > 0, "closed before it answered");
            match line.trim().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().ok();
                }
                Some(_) => {}
                None if line.starts_with("HTTP/1.1") => status = line[9..12].parse().unwrap(),
                None => return (status, length),
            }
        }
    }
}

impl Asks<'_> {
    fn text(&self) -> String {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"weather","arguments":{"town":"Oslo"}}}"#;
        let (path, token, body) = match self {
            Self::Tool(token) => ("/mcp", Some(token), call),
            Self::Session(token) => (
                "/mcp",
                Some(token),
                r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#,
            ),
            Self::List(token) => {
                ("/mcp", Some(token), r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#)
            }
            Self::Nothing => ("/mcp", None, call),
            Self::Api => ("/api/v1/towns?near=Oslo", None, call),
        };
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: training\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n{token}\
             Content-Length: {length}\r\n\r\n{body}"
        )
    }
}

/// A page of the admin listener.
pub(crate) async fn get(server: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    page
}
