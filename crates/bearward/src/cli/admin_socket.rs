//! The server that runs here, asked through its admin socket.
//!
//! Whoever answers there is believed, and is told what an operator wants: so it must be a process of the same user, or of
//! root.

use std::io;
use std::path::Path;
use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// One question, from connecting to the last byte: longer than a token may take to come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Why a server that may run was not asked, or did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// There is one, or was, and it is not ours to ask.
    #[error("the server's socket {socket} cannot be used: {reason}")]
    Socket {
        /// Where.
        socket: String,
        /// Why.
        reason: String,
    },
    /// It did not answer.
    #[error("the running server does not answer: {0}")]
    Silent(String),
}

/// Asks; `None`: no server runs there.
pub(super) async fn post(
    socket: &Path,
    path: &str,
    body: &Value,
) -> Result<Option<(StatusCode, String)>, AskError> {
    let Some(stream) = connect(socket).await? else { return Ok(None) };
    let request = Request::post(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())));
    let request = request.map_err(silent)?;
    let asked = timeout(PATIENCE, send(stream, request)).await;
    asked.map_err(|_| AskError::Silent(format!("nothing within {} s", PATIENCE.as_secs())))?.map(Some)
}

/// Only where nobody listens does no server run: one that may not be asked runs all the same.
async fn connect(socket: &Path) -> Result<Option<UnixStream>, AskError> {
    let wrong = |reason: String| AskError::Socket { socket: socket.display().to_string(), reason };
    let stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(wrong("it is another user's: run this as the user that the server runs as".into()));
        }
        Err(error) => return Err(wrong(error.to_string())),
    };
    let owner = stream.peer_cred().map_err(|error| wrong(error.to_string()))?.uid();
    // Who we are, as the system says it of any socket of ours.
    let ours =
        UnixStream::pair().and_then(|(one, _)| one.peer_cred()).map_err(|error| wrong(error.to_string()))?;
    if owner != ours.uid() && owner != 0 {
        return Err(wrong(format!("a process of another user (id {owner}) answers there")));
    }
    Ok(Some(stream))
}

async fn send(stream: UnixStream, request: Request<Full<Bytes>>) -> Result<(StatusCode, String), AskError> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(silent)?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(silent)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    connection.abort();
    let body = body.map_err(|error| AskError::Silent(error.to_string()))?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

fn silent(error: impl std::fmt::Display) -> AskError {
    AskError::Silent(error.to_string())
}
