//! What stands behind: an MCP server, an API and a token endpoint, as simple as they can be.

use std::net::SocketAddr;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::request::request;

const TOKEN: &str = r#"{"access_token":"what-the-api-takes","token_type":"Bearer","expires_in":3600}"#;
const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"Oslo: 4 degrees, rain from the west, wind 9 m/s, pressure 1002 hPa, sunrise 08:31."}],"isError":false}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"weather","description":"Of a town","inputSchema":{"type":"object"}},{"name":"delete_town","description":"Gone","inputSchema":{"type":"object"}}]}}"#;
const EVENT: &str = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progress\":1}}\n\n";
/// Of each stream.
pub(crate) const EVENTS: usize = 50;

/// Where it listens, for as long as the process lives.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn serve(stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    while let Some((line, body)) = request(&mut stream).await {
        let answered = if line.starts_with("GET /mcp") {
            events(&mut stream).await
        } else {
            let (text, more) =
                match (line.contains("/token"), body.contains("initialize"), body.contains("tools/list")) {
                    (true, ..) => (TOKEN, ""),
                    (_, true, _) => (RESULT, "Mcp-Session-Id: session-of-the-training\r\n"),
                    (.., true) => (LIST, ""),
                    _ => (RESULT, ""),
                };
            let length = text.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nServer: training\r\nContent-Type: application/json\r\n{more}Content-Length: {length}\r\n\r\n{text}"
            );
            stream.write_all(answer.as_bytes()).await
        };
        if answered.is_err() {
            return;
        }
    }
}

async fn events(stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    stream
        .write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .await?;
    for _ in 0..EVENTS {
        stream.write_all(format!("{:x}\r\n{EVENT}\r\n", EVENT.len()).as_bytes()).await?;
        tokio::task::yield_now().await;
    }
    stream.write_all(b"0\r\n\r\n").await
}
