//! A connection's bytes, by as few calls as can be: a head with its short body leaves in one piece, which costs the kernel
//! less as one copy than as a list; and what has not come is not asked for.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use zeroize::Zeroizing;

use crate::bell::Bell;
use crate::relay::Relay;

/// Up to so many bytes are put together; what is longer goes as the list that it is, without a copy.
const SMALL: usize = 4 * 1024;

/// A stream whose small writes are flat, and which is read when its bell has rung.
pub(crate) struct Wire<S> {
    inner: S,
    bell: Bell,
    /// Where pieces are put together; as long as the longest that ever was. A head may hold a token: wiped at the end.
    together: Zeroizing<Vec<u8>>,
}

impl<S> Wire<S> {
    /// Of a connection that is polled by way of this relay.
    pub(crate) fn new(inner: S, relay: &Relay) -> Self {
        Self { inner, bell: Bell::new(relay), together: Zeroizing::default() }
    }

    pub(crate) fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, together, .. } = &mut *self;
        let inner = Pin::new(inner);
        let length = pieces.iter().fold(0, |length: usize, piece| length.saturating_add(piece.len()));
        if let [only] = pieces {
            return inner.poll_write(cx, only);
        }
        if length > SMALL {
            return inner.poll_write_vectored(cx, pieces);
        }
        together.clear();
        pieces.iter().for_each(|piece| extend(together, piece));
        inner.poll_write(cx, together)
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

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, bell, .. } = &mut *self;
        bell.poll(cx, |cx| Pin::new(inner).poll_read(cx, buf))
    }
}

/// Puts more behind it. Where it must grow, what it was is wiped.
pub(crate) fn extend(bytes: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    let length = bytes.len() + more.len();
    if length > bytes.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(length));
        larger.extend_from_slice(bytes);
        *bytes = larger;
    }
    bytes.extend_from_slice(more);
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Remembers what it was given, piece by piece.
    #[derive(Default)]
    struct Seen(Vec<Vec<usize>>, Vec<u8>);

    impl AsyncWrite for Seen {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.push(vec![bytes.len()]);
            self.1.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            pieces: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.0.push(pieces.iter().map(|piece| piece.len()).collect());
            pieces.iter().for_each(|piece| self.1.extend_from_slice(piece));
            Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_is_small_leaves_in_one_piece_and_what_is_large_as_it_is() {
        let (head, body, large) = ([b'h'; 100], [b'b'; 50], [b'l'; SMALL]);
        for (pieces, expected) in [
            (&[&head[..], &body[..]][..], vec![150]),
            (&[&head[..], &[], &body[..]], vec![150]),
            (&[&large[..SMALL - 100], &head[..]], vec![SMALL]),
            (&[&head[..], &large[..]], vec![100, SMALL]),
            (&[&large[..]], vec![SMALL]),
        ] {
            let mut wire = Wire::new(Seen::default(), &Relay::new());
            let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            for _ in 0..2 {
                assert_eq!(wire.write_vectored(&slices).await.unwrap(), pieces.concat().len());
            }
            let twice = [pieces.concat(), pieces.concat()].concat();
            assert_eq!((wire.inner.0, wire.inner.1), (vec![expected.clone(), expected], twice));
        }
    }

    /// Has nothing to read, and counts how often it was asked.
    struct Silent(usize, Option<Waker>);

    impl AsyncRead for Silent {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.0 += 1;
            self.1 = Some(cx.waker().clone());
            Poll::Pending
        }
    }

    #[test]
    fn what_has_not_come_is_not_asked_for() {
        let relay = Relay::new();
        let mut wire = Wire::new(Silent(0, None), &relay);
        let read = |wire: &mut Wire<Silent>| {
            let (mut room, mut cx) = ([0; 8], Context::from_waker(&relay.waker));
            assert!(Pin::new(&mut *wire).poll_read(&mut cx, &mut ReadBuf::new(&mut room)).is_pending());
            wire.inner.0
        };
        assert_eq!((read(&mut wire), read(&mut wire)), (1, 1));
        wire.inner.1.take().unwrap().wake();
        assert_eq!((read(&mut wire), read(&mut wire)), (2, 2));
    }
}
