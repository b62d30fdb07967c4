//! Requests wait for the end of a turn and then leave in a row.
//!
//! A server behind sleeps until something comes. Where requests leave one by one, each with the work on another before it,
//! the server has answered the last one and sleeps again, and to wake who runs on another core is the dearest of what the
//! kernel does for a request. What one thread has made ready in a turn of all its tasks wakes the server once (ADR 20).

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::{Handle, RuntimeFlavor};
use zeroize::Zeroizing;

use crate::wire::extend;

/// Up to so many bytes wait on a connection; who has more does not wait.
const MOST: usize = 4 * 1024;
/// So many connections wait at most, however long the turn is: then all of them leave.
const CROWD: usize = 16;

/// What waits on one thread. Cheap to clone; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Outbox(Arc<Mutex<Vec<Arc<Mutex<Sending>>>>>);

/// A connection whose small writes wait for the end of the turn. Whatever becomes of it meanwhile, what was taken leaves.
pub(crate) struct Posted {
    receiving: OwnedReadHalf,
    sending: Arc<Mutex<Sending>>,
    /// `None`: nothing waits.
    outbox: Option<Outbox>,
}

struct Sending {
    half: OwnedWriteHalf,
    /// Taken, and not all of it sent. It may hold a token: wiped at the end.
    bytes: Zeroizing<Vec<u8>>,
    /// So many of them have left.
    sent: usize,
    /// The outbox will see to it. Otherwise what is left here is sent by whoever drives the connection.
    is_waiting: bool,
    /// The system took less than it was given: nothing waits until it takes all again, so that it is known what is left.
    is_full: bool,
    failed: Option<io::Error>,
    whom: Waker,
}

impl Outbox {
    fn put(&self, sending: &Arc<Mutex<Sending>>) {
        let waiting = {
            let mut waiting = locked(&self.0);
            waiting.push(sending.clone());
            waiting.len()
        };
        if waiting == 1 {
            // Behind all tasks that have something to do now. A runtime that ends first drops it, which is enough.
            let end = EndOfTurn(self.clone());
            tokio::spawn(async move { drop(end) });
        } else if waiting >= CROWD {
            self.leave();
        }
    }

    fn leave(&self) {
        // Not under its lock: others are woken here, and connections closed.
        let waiting = std::mem::replace(&mut *locked(&self.0), Vec::with_capacity(CROWD));
        for sending in waiting {
            locked(&sending).leave();
        }
    }
}

/// Lets what waits leave when it is dropped.
struct EndOfTurn(Outbox);

impl Drop for EndOfTurn {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Posted {
    /// Of a connection whose driver is woken where what waited could not leave as a whole. Nothing waits where other
    /// threads could take the end of a turn over, and be late with it.
    pub(crate) fn new(stream: TcpStream, outbox: &Outbox, whom: &Waker) -> Self {
        let has_one_thread = Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread;
        let (receiving, half) = stream.into_split();
        let bytes = Zeroizing::default();
        let sending = Sending {
            half,
            bytes,
            sent: 0,
            is_waiting: false,
            is_full: false,
            failed: None,
            whom: whom.clone(),
        };
        Self {
            receiving,
            sending: Arc::new(Mutex::new(sending)),
            outbox: has_one_thread.then(|| outbox.clone()),
        }
    }

    /// For a connection on which nothing more is written: keeps no room for it.
    pub(crate) fn written(&self) {
        let mut sending = locked(&self.sending);
        if sending.rest().is_empty() {
            sending.bytes = Zeroizing::default();
        }
    }
}

impl Sending {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// What waited is sent, as far as that goes at once.
    fn leave(&mut self) {
        self.is_waiting = false;
        if self.rest().is_empty() {
            // Somebody would not wait, and took it along.
            return;
        }
        match self.half.try_write(self.rest()) {
            Ok(sent) => self.sent += sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.failed = Some(error),
        }
        if self.failed.is_none() && self.rest().is_empty() {
            self.clear();
        } else {
            self.whom.wake_by_ref();
        }
    }

    /// Sends what is left, before anything else.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            self.clear();
            return Poll::Ready(Err(error));
        }
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.half).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        self.clear();
        Poll::Ready(Ok(()))
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
    }

    /// Sends at once, behind what waits.
    fn poll_now(
        &mut self,
        cx: &mut Context<'_>,
        length: usize,
        write: impl FnOnce(Pin<&mut OwnedWriteHalf>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_rest(cx))?;
        let written = write(Pin::new(&mut self.half), cx);
        self.is_full = !matches!(written, Poll::Ready(Ok(written)) if written == length);
        written
    }
}

impl AsyncWrite for Posted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut sending = locked(&self.sending);
        if !sending.is_waiting {
            ready!(sending.poll_rest(cx))?;
        }
        let may_wait = !sending.is_full && sending.bytes.len() + bytes.len() <= MOST;
        let Some(outbox) = self.outbox.as_ref().filter(|_| may_wait) else {
            return sending.poll_now(cx, bytes.len(), |half, cx| half.poll_write(cx, bytes));
        };
        extend(&mut sending.bytes, bytes);
        if !std::mem::replace(&mut sending.is_waiting, true) {
            drop(sending);
            outbox.put(&self.sending);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = pieces.iter().fold(0, |length: usize, piece| length.saturating_add(piece.len()));
        let write =
            |half: Pin<&mut OwnedWriteHalf>, cx: &mut Context<'_>| half.poll_write_vectored(cx, pieces);
        locked(&self.sending).poll_now(cx, length, write)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sending = locked(&self.sending);
        if sending.is_waiting {
            // It leaves by itself; were it waited for, each request would be looked at once more.
            return Poll::Ready(Ok(()));
        }
        ready!(sending.poll_rest(cx))?;
        Pin::new(&mut sending.half).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sending = locked(&self.sending);
        ready!(sending.poll_rest(cx))?;
        Pin::new(&mut sending.half).poll_shutdown(cx)
    }
}

impl AsyncRead for Posted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.receiving).poll_read(cx, buf)
    }
}

// What waits are requests with tokens in them.
impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbox(not shown)")
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
