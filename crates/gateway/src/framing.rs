//! Sees requests that give their length twice, which is how one request is smuggled inside another (RFC 9112 §11.2,
//! SPEC PX-8).
//!
//! hyper takes the safe one of two lengths and says nothing of the other, so the heads are looked at on their way to
//! it. This reads along and decides nothing but that: where it loses its way, hyper's own answer stands.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Longest begin of a line that is kept when it comes in pieces: enough for the fields that give a length.
const KEPT: usize = 128;

/// How long a peer may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// A stream whose incoming heads are looked at.
pub(crate) struct Watched<S> {
    inner: S,
    framing: Framing,
    seen: Doubt,
    /// Set while a head has come in part: most come in one piece, and need no timer.
    late: Option<Pin<Box<Sleep>>>,
}

/// Whether a head with two lengths has been seen on a connection. Once it has, nothing on it can be trusted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doubt(Arc<AtomicBool>);

impl Doubt {
    /// True from the first such head on.
    pub(crate) fn is_there(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl<S> Watched<S> {
    pub(crate) fn new(inner: S) -> (Self, Doubt) {
        let seen = Doubt::default();
        (Self { inner, framing: Framing::default(), seen: seen.clone(), late: None }, seen)
    }

    /// An error when a head has begun long ago and has not ended.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.framing.is_within_head() {
            self.late = None;
            return Poll::Pending;
        }
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(HEAD_TIMEOUT)));
        late.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        if let Some(new) = buf.filled().get(before..)
            && this.framing.read(new)
        {
            // Before hyper sees the bytes: its service asks for this.
            this.seen.0.store(true, Ordering::Release);
        }
        match this.poll_late(cx) {
            Poll::Ready(late) if polled.is_pending() => Poll::Ready(late),
            _ => polled,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
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

/// Where in a connection's bytes one is.
#[derive(Debug, Default)]
struct Framing {
    part: Part,
    /// The begin of a line whose end has not come yet.
    line: Vec<u8>,
    /// More of that line came than is kept.
    is_cut: bool,
    lengths: Lengths,
    /// Past the first line of a head.
    in_fields: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The lines of a head.
    #[default]
    Head,
    /// So many bytes of a body.
    Body(u64),
    /// The line with a chunk's size.
    Size,
    /// So many bytes of a chunk, its line end included.
    Chunk(u64),
    /// The lines behind the last chunk.
    Trailer,
    /// Not HTTP/1.1, or not understood: hyper will say so.
    Lost,
}

/// What a head says of its body's length.
#[derive(Debug, Default)]
struct Lengths {
    count: u32,
    is_chunked: bool,
    length: u64,
}

impl Framing {
    /// Whether a head has begun and not ended.
    fn is_within_head(&self) -> bool {
        self.part == Part::Head && (self.in_fields || !self.line.is_empty())
    }

    /// Reads on; true when a head in these bytes gives its length more than once.
    fn read(&mut self, mut bytes: &[u8]) -> bool {
        let mut found = false;
        while !bytes.is_empty() {
            bytes = match self.part {
                Part::Lost => return found,
                Part::Body(left) => self.skip(bytes, left, Part::Body, Part::Head),
                Part::Chunk(left) => self.skip(bytes, left, Part::Chunk, Part::Size),
                Part::Head | Part::Size | Part::Trailer => {
                    let end = memchr(b'\n', bytes);
                    let (begin, rest) = bytes.split_at(end.map_or(bytes.len(), |at| at + 1));
                    if self.line.is_empty() && end.is_some() {
                        found |= self.line(begin);
                    } else {
                        let room = KEPT.saturating_sub(self.line.len());
                        self.is_cut |= begin.len() > room;
                        self.line.extend_from_slice(begin.get(..room).unwrap_or(begin));
                        if end.is_some() {
                            let line = std::mem::take(&mut self.line);
                            found |= self.line(&line);
                            self.is_cut = false;
                        }
                    }
                    rest
                }
            };
        }
        found
    }

    fn skip<'b>(&mut self, bytes: &'b [u8], left: u64, here: fn(u64) -> Part, next: Part) -> &'b [u8] {
        let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let left = left - taken as u64;
        self.part = if left == 0 { next } else { here(left) };
        bytes.get(taken..).unwrap_or_default()
    }

    /// One line, its end included where it is not longer than what is kept.
    fn line(&mut self, line: &[u8]) -> bool {
        // Most fields are told by their first letter.
        let tells_no_length = |first: &u8| first.is_ascii_alphabetic() && !b"cCtT".contains(first);
        if self.part == Part::Head && self.in_fields && line.first().is_some_and(tells_no_length) {
            return false;
        }
        let line = line.trim_ascii_end();
        match self.part {
            Part::Head if !self.in_fields => {
                // Empty lines before a request are let pass (RFC 9112 §2.2).
                self.in_fields = !line.is_empty();
                if line.ends_with(b"HTTP/2.0") {
                    self.part = Part::Lost;
                }
            }
            Part::Head if line.is_empty() => return self.head_ended(),
            // A length so far from its name is no honest one, and what it says is not known here.
            Part::Head if self.is_cut && Lengths::is_one(line) => return true,
            Part::Head => self.lengths.read(line),
            Part::Size => {
                let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                let size =
                    std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
                self.part = match size {
                    Some(0) => Part::Trailer,
                    // With the line end behind the chunk.
                    Some(size) => Part::Chunk(size.saturating_add(2)),
                    None => Part::Lost,
                };
            }
            Part::Trailer if line.is_empty() => self.part = Part::Head,
            Part::Trailer | Part::Body(_) | Part::Chunk(_) | Part::Lost => {}
        }
        false
    }

    fn head_ended(&mut self) -> bool {
        let Lengths { count, is_chunked, length } = std::mem::take(&mut self.lengths);
        self.in_fields = false;
        self.part = match (is_chunked, length) {
            (true, _) => Part::Size,
            (false, 0) => Part::Head,
            (false, length) => Part::Body(length),
        };
        count > 1
    }
}

impl Lengths {
    /// Whether a line says how long a body is.
    fn is_one(line: &[u8]) -> bool {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
    }

    fn read(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"content-length") {
            self.count += 1;
            let digits = value.get(1..).unwrap_or_default().trim_ascii();
            // What is no number is refused by hyper, and nothing behind it is read.
            self.length = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.count += 1;
            self.is_chunked = true;
        }
    }
}

#[cfg(test)]
mod tests;
