//! Which HTTP a connection speaks, by the first that comes on it (RFC 9113 §3.4).
//!
//! Read in one piece and handed on in one: hyper then keeps a buffer that is as large as it has to be, and uses the
//! beginning of it again for each request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What a client that speaks HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// So much is read at first: most requests fit.
const FIRST: usize = 2 * 1024;

/// A version of HTTP, as far as it makes a difference to how a connection is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.1 and before.
    One,
    /// HTTP/2.
    Two,
}

/// A stream whose beginning has been read and is read once more.
pub(crate) struct Begun<S> {
    first: BytesMut,
    inner: S,
}

/// Reads until it is known what is spoken.
///
/// # Errors
/// Those of the stream. One that ends before it is known speaks HTTP/1.1.
pub(crate) async fn read<S: AsyncRead + Unpin>(mut inner: S) -> io::Result<(Version, Begun<S>)> {
    let mut first = BytesMut::with_capacity(FIRST);
    loop {
        let has_ended = inner.read_buf(&mut first).await? == 0;
        let version = match first.get(..PREFACE.len()) {
            Some(begin) if begin == PREFACE => Version::Two,
            None if PREFACE.starts_with(&first) && !has_ended => continue,
            _ => Version::One,
        };
        return Ok((version, Begun { first, inner }));
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { first, inner } = &mut *self;
        if first.is_empty() {
            return Pin::new(inner).poll_read(cx, buf);
        }
        let length = first.len().min(buf.remaining());
        buf.put_slice(first.get(..length).unwrap_or_default());
        first.advance(length);
        if first.is_empty() {
            // Its memory, too.
            *first = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
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
    use std::collections::VecDeque;

    use super::*;

    /// Gives one piece after another; `None`: it breaks there.
    struct Pieces(VecDeque<Option<Vec<u8>>>);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.0.pop_front() {
                Some(Some(mut piece)) => {
                    let rest = piece.split_off(piece.len().min(buf.remaining()));
                    if !rest.is_empty() {
                        self.0.push_front(Some(rest));
                    }
                    buf.put_slice(&piece);
                    Poll::Ready(Ok(()))
                }
                Some(None) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                None => Poll::Ready(Ok(())),
            }
        }
    }

    /// What is spoken on a connection on which this comes, piece by piece; and all that is read from it then.
    async fn spoken(pieces: &[&[u8]]) -> (Version, Vec<u8>) {
        let stream = Pieces(pieces.iter().map(|piece| Some(piece.to_vec())).collect());
        let (version, mut begun) = read(stream).await.unwrap();
        let mut all = Vec::new();
        begun.read_to_end(&mut all).await.unwrap();
        assert!(all.is_empty() || begun.first.capacity() == 0, "nothing is kept");
        (version, all)
    }

    #[tokio::test]
    async fn whoever_begins_with_the_preface_speaks_http_2_in_however_many_pieces_it_comes() {
        for pieces in
            [&[PREFACE][..], &[&PREFACE[..1], &PREFACE[1..]], &[&PREFACE[..23], &PREFACE[23..], b"more"]]
        {
            assert_eq!(spoken(pieces).await, (Version::Two, pieces.concat()));
        }
        let by_byte: Vec<&[u8]> = PREFACE.chunks(1).collect();
        assert_eq!(spoken(&by_byte).await, (Version::Two, PREFACE.to_vec()));
    }

    #[tokio::test]
    async fn everybody_else_speaks_http_1_and_nothing_of_it_is_lost() {
        let long = [b'x'; 3 * FIRST];
        for pieces in [
            &[&b"GET / HTTP/1.1\r\n\r\n"[..]][..],
            &[b"P", b"OST / HTTP/1.1\r\n\r\n"],
            &[b"PRI * HTTP/2.0\r\n\r\nSM\r\n", b"\rx"],
            &[b"PRI * HTTP/2.0"],
            &[b"GET /", &long],
            &[&long],
            &[],
        ] {
            assert_eq!(spoken(pieces).await, (Version::One, pieces.concat()));
        }
    }

    #[tokio::test]
    async fn a_stream_that_breaks_says_so() {
        let broken = Pieces([Some(b"PRI".to_vec()), None].into());
        assert_eq!(read(broken).await.err().unwrap().kind(), io::ErrorKind::ConnectionReset);
    }
}
