//! Bytes on a socket, one act after the other: what no HTTP library would send.
//!
//! ```text
//! request ─► read by the HTTP server ─► the connection is taken away from it ─► acts ─► closed
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bearward_token::Clock;
use serde::{Deserialize, Serialize};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is written at once by [`Act::Fill`].
const PIECE: usize = 16 * 1024;

/// One thing that is done to the peer. After the last one the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Sends these bytes.
    Send {
        /// As they are.
        bytes: Vec<u8>,
    },
    /// Sends one byte again and again, for bodies too large to be written down.
    Fill {
        /// The byte.
        byte: u8,
        /// How often.
        count: u64,
    },
    /// Sends one byte at a time, by the server's own clock.
    Drip {
        /// As they are.
        bytes: Vec<u8>,
        /// The pause before each.
        every_ms: u64,
    },
    /// Says nothing more until the peer goes away.
    Hold,
    /// Breaks the connection off with RST instead of closing it.
    Reset,
}

impl Act {
    /// Sends this text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Send { bytes: text.into().into_bytes() }
    }
}

/// Put into an answer's extensions: the acts are played on the connection instead of answering.
#[derive(Debug, Clone)]
pub(crate) struct RawInstead {
    pub(crate) acts: Vec<Act>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Rises by what is about to be sent.
    pub(crate) sent: Arc<AtomicU64>,
}

impl RawInstead {
    /// Plays all acts, or as many as the peer stays for.
    pub(crate) async fn play(self, mut stream: TcpStream) {
        // What nobody reads must show as not sent, so the system gets little room to keep it.
        let _ = SockRef::from(&stream).set_send_buffer_size(PIECE);
        for act in &self.acts {
            if self.perform(act, &mut stream).await.is_err() {
                return;
            }
        }
        let _ = stream.shutdown().await;
    }

    async fn perform(&self, act: &Act, stream: &mut TcpStream) -> std::io::Result<()> {
        match act {
            Act::Send { bytes } => self.send(stream, bytes).await,
            Act::Fill { byte, count } => {
                let piece = vec![*byte; PIECE];
                let mut left = usize::try_from(*count).unwrap_or(usize::MAX);
                while left > 0 {
                    let now = piece.get(..left.min(PIECE)).unwrap_or(&piece);
                    self.send(stream, now).await?;
                    left -= now.len();
                }
                Ok(())
            }
            Act::Drip { bytes, every_ms } => {
                for byte in bytes {
                    self.clock.sleep(Duration::from_millis(*every_ms)).await;
                    self.send(stream, std::slice::from_ref(byte)).await?;
                }
                Ok(())
            }
            Act::Hold => {
                let mut ignored = [0; 1024];
                while stream.read(&mut ignored).await? > 0 {}
                Ok(())
            }
            Act::Reset => SockRef::from(&*stream).set_linger(Some(Duration::ZERO)),
        }
    }

    async fn send(&self, stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        // Counted first: who has read it all must find it counted.
        self.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        stream.write_all(bytes).await
    }
}
