//! Keeps the beginning of an answer as it came over the wire, for who wants to read it from there without an HTTP client.
//!
//! hyper hands out the head of an answer when it has read some of the body already, and does not tell where in a chunk it
//! stands.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use httparse::{EMPTY_HEADER, Response, Status};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So much is kept; who says more at once is read as any other.
const MOST: usize = 16 * 1024;
/// As many as hyper reads.
const MOST_HEADERS: usize = 100;

/// A stream that can be listened to. What was heard is nobody's to print.
pub(crate) struct Hearing<S> {
    inner: S,
    ear: Ear,
}

/// Hears what is read from a stream.
#[derive(Clone, Default)]
pub(crate) struct Ear(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_listening: AtomicBool,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    /// There was more.
    is_cut: bool,
}

impl<S> Hearing<S> {
    pub(crate) fn new(inner: S, ear: Ear) -> Self {
        Self { inner, ear }
    }

    pub(crate) fn into_inner(self) -> S {
        self.inner
    }
}

impl Ear {
    /// Begins with the next answer, or leaves it alone.
    pub(crate) fn listen(&self, is_wanted: bool) {
        if is_wanted || self.0.is_listening.load(Ordering::Relaxed) {
            self.0.is_listening.store(is_wanted, Ordering::Relaxed);
            *self.heard() = Heard::default();
        }
    }

    /// What has come behind the answer's head so far; `None` where not all of it was kept.
    pub(crate) fn behind_the_head(&self) -> Option<Vec<u8>> {
        let heard = self.heard();
        if heard.is_cut || !self.0.is_listening.load(Ordering::Relaxed) {
            return None;
        }
        let mut rest = heard.bytes.as_slice();
        loop {
            let mut headers = [EMPTY_HEADER; MOST_HEADERS];
            let mut head = Response::new(&mut headers);
            let Ok(Status::Complete(length)) = head.parse(rest) else { return None };
            rest = rest.get(length..)?;
            // Other heads may come before the one that counts (RFC 9110 §15.2).
            if head.code? >= 200 {
                return Some(rest.to_vec());
            }
        }
    }

    fn hear(&self, bytes: &[u8]) {
        let mut heard = self.heard();
        if heard.bytes.len() + bytes.len() > MOST {
            *heard = Heard { bytes: Vec::new(), is_cut: true };
        } else if !heard.is_cut {
            heard.bytes.extend_from_slice(bytes);
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Hearing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if self.ear.0.is_listening.load(Ordering::Relaxed) {
            self.ear.hear(buf.filled().get(before..).unwrap_or_default());
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Hearing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

    /// What is known of these answers, one after another, each listened to or not.
    async fn behind(answers: &[(bool, &[u8])]) -> Option<Vec<u8>> {
        let ear = Ear::default();
        for (is_wanted, answer) in answers {
            ear.listen(*is_wanted);
            let mut read = Vec::new();
            Hearing::new(*answer, ear.clone()).read_to_end(&mut read).await.unwrap();
            assert_eq!(read, *answer);
        }
        ear.behind_the_head()
    }

    #[tokio::test]
    async fn what_stands_behind_the_head_that_counts_is_heard() {
        let whole = [HEAD, b"1\r\n"].concat();
        assert_eq!(behind(&[(true, &whole)]).await.unwrap(), b"1\r\n");
        let early = [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", HEAD, b"1\r\n"].concat();
        assert_eq!(behind(&[(true, &early)]).await.unwrap(), b"1\r\n");
        assert_eq!(behind(&[(true, &early), (true, &whole)]).await.unwrap(), b"1\r\n", "of the last one");
    }

    #[tokio::test]
    async fn what_was_not_heard_as_a_whole_is_not_known() {
        let long = [HEAD, &[b'x'; MOST]].concat();
        for answers in
            [&[(false, HEAD)][..], &[(true, &long)], &[(true, &HEAD[..9])], &[(true, HEAD), (false, HEAD)]]
        {
            assert_eq!(behind(answers).await, None);
        }
    }
}
