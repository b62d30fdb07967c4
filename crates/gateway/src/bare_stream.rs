//! An event stream that is read from its connection by ourselves, once its head has come.
//!
//! A connection to a server behind keeps some thirty KiB for requests to come. One that carries an event stream carries
//! nothing else any more, for hours often, and there are thousands of them: here such a one keeps what was read and not
//! passed on yet, which is nothing most of the time (ADR 21).

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode, Version};
use httparse::{EMPTY_HEADER, Status, parse_chunk_size, parse_headers};
use hyper::body::{Body as HttpBody, Frame};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::body::BodyError;
use crate::lifetime::is_event_stream;

/// So much is read at once at most.
const READ: usize = 4 * 1024;
/// A chunk's size with its extensions, or all trailers, must fit into so much.
const LONGEST_LINE: usize = 8 * 1024;
const MOST_TRAILERS: usize = 32;

/// Its events, as they come. What they say is nobody's to print.
pub(crate) struct BareStream<S> {
    stream: S,
    /// Read and not looked at yet.
    read: BytesMut,
    step: Step,
}

/// How the end of a stream is known (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By its last chunk.
    Chunked,
    /// By the end of the connection.
    ToTheEnd,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Step {
    ChunkSize,
    ChunkData { left: u64 },
    ChunkEnd,
    Trailers,
    ToTheEnd,
    Over,
}

/// What has been read so far makes.
enum Next {
    Piece(Bytes),
    /// Nothing yet.
    More,
    Over,
}

impl Framing {
    /// Of an answer that is an event stream and can be read so; `None`: it is something else.
    pub(crate) fn of_events<B>(answer: &Response<B>) -> Option<Self> {
        let is_plain = answer.status() == StatusCode::OK && answer.version() == Version::HTTP_11;
        let is_one = is_plain && is_event_stream(answer.headers());
        is_one.then(|| Self::of(answer.headers())).flatten()
    }

    fn of(headers: &HeaderMap) -> Option<Self> {
        if headers.contains_key(CONTENT_LENGTH) {
            return None;
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        match (codings.next(), codings.next()) {
            (None, _) => Some(Self::ToTheEnd),
            (Some(only), None) if only.as_bytes().eq_ignore_ascii_case(b"chunked") => Some(Self::Chunked),
            _ => None,
        }
    }
}

impl<S> BareStream<S> {
    /// Goes on with `stream` after what was `read` from it already, behind the head.
    pub(crate) fn new(stream: S, read: &[u8], framing: Framing) -> Self {
        let step = match framing {
            Framing::Chunked => Step::ChunkSize,
            Framing::ToTheEnd => Step::ToTheEnd,
        };
        Self { stream, read: BytesMut::from(read), step }
    }

    /// Takes a piece out of what was read (RFC 9112 §7.1).
    fn take(&mut self) -> io::Result<Next> {
        loop {
            let is_short = self.read.len() <= LONGEST_LINE;
            self.step = match self.step {
                // httparse takes no digit at all for a zero, which would end the stream.
                Step::ChunkSize if self.read.first().is_some_and(|first| !first.is_ascii_hexdigit()) => {
                    return Err(bad("a chunk's size is none"));
                }
                Step::ChunkSize => match parse_chunk_size(&self.read) {
                    Ok(Status::Complete((line, size))) => {
                        self.read.advance(line);
                        if size == 0 { Step::Trailers } else { Step::ChunkData { left: size } }
                    }
                    Ok(Status::Partial) if is_short => return Ok(Next::More),
                    _ => return Err(bad("a chunk's size is none")),
                },
                Step::ChunkData { .. } | Step::ToTheEnd if self.read.is_empty() => return Ok(Next::More),
                Step::ChunkData { left } => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.read.len());
                    let left = left.saturating_sub(here as u64);
                    self.step = if left == 0 { Step::ChunkEnd } else { Step::ChunkData { left } };
                    return Ok(Next::Piece(self.read.split_to(here).freeze()));
                }
                Step::ChunkEnd => match self.read.get(..2) {
                    Some(b"\r\n") => {
                        self.read.advance(2);
                        Step::ChunkSize
                    }
                    Some(_) => return Err(bad("a chunk is longer than its size")),
                    None => return Ok(Next::More),
                },
                Step::Trailers => match parse_headers(&self.read, &mut [EMPTY_HEADER; MOST_TRAILERS]) {
                    Ok(Status::Complete(_)) => Step::Over,
                    Ok(Status::Partial) if is_short => return Ok(Next::More),
                    _ => return Err(bad("its trailers are none")),
                },
                Step::ToTheEnd => return Ok(Next::Piece(self.read.split().freeze())),
                Step::Over => return Ok(Next::Over),
            };
        }
    }

    /// The connection has ended.
    fn ended(&mut self) -> io::Result<()> {
        match self.step {
            Step::ToTheEnd => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server broke its event stream off")),
        }
    }
}

impl<S: AsyncRead + Unpin> BareStream<S> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            match self.take()? {
                Next::Piece(piece) => return Poll::Ready(Ok(Some(piece))),
                Next::Over => return Poll::Ready(Ok(None)),
                Next::More => {}
            }
            if self.read.capacity() - self.read.len() < READ / 4 {
                self.read.reserve(READ);
            }
            let reading = pin!(self.stream.read_buf(&mut self.read));
            match reading.poll(cx)? {
                Poll::Ready(0) => return Poll::Ready(self.ended().map(|()| None)),
                Poll::Ready(_) => {}
                Poll::Pending => {
                    if self.read.is_empty() {
                        // It may be long until something comes.
                        self.read = BytesMut::new();
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> HttpBody for BareStream<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.poll_piece(cx);
        if matches!(polled, Poll::Ready(Ok(None) | Err(_))) {
            self.step = Step::Over;
        }
        polled.map(|piece| piece.map_err(BodyError::from).map(|piece| piece.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.step, Step::Over)
    }
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
