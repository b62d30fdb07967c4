//! Bodies: streamed where they can be, collected within bounds where they must be.

use std::error::Error;
use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use crate::activity::Open;
use crate::lane::Answer;

/// What can go wrong while a body is on its way.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// Any body that leaves, in either direction. Bytes at hand and what is passed on as it comes, which most bodies are, are
/// kept without a box.
pub struct Body {
    content: Content,
    /// Whose request is open until this is sent or dropped.
    _open: Option<Open>,
}

enum Content {
    Full(Option<Bytes>),
    Streamed(Incoming),
    OnLane(Answer),
    Other(UnsyncBoxBody<Bytes, BodyError>),
}

/// How long a caller may take to send a body that must be collected.
const COLLECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a request's body could not be collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CollectError {
    /// Longer than allowed.
    #[error("the body is longer than allowed")]
    TooLarge,
    /// Not sent in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The caller went away or sent bad framing.
    #[error("the body broke off")]
    Broken,
}

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    let bytes = bytes.into();
    Content::Full((!bytes.is_empty()).then_some(bytes)).into()
}

/// A body without content.
pub fn empty() -> Body {
    Content::Full(None).into()
}

/// A body passed on as it comes; nothing waits in a buffer (SPEC PX-5).
pub fn streamed(incoming: Incoming) -> Body {
    Content::Streamed(incoming).into()
}

/// The same from a connection that is driven by whoever reads it.
pub(crate) fn on_lane(answer: Answer) -> Body {
    Content::OnLane(answer).into()
}

/// Any other body.
pub fn other(body: impl HttpBody<Data = Bytes, Error = BodyError> + Send + 'static) -> Body {
    Content::Other(body.boxed_unsync()).into()
}

// What is in it may be a secret.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(not shown)")
    }
}

impl From<Content> for Body {
    fn from(content: Content) -> Self {
        Self { content, _open: None }
    }
}

impl Body {
    /// Whether nothing of it is still to come.
    pub(crate) fn is_at_hand(&self) -> bool {
        matches!(self.content, Content::Full(_))
    }

    /// Whether it is read through an HTTP client's connection.
    #[cfg(test)]
    pub(crate) fn is_on_lane(&self) -> bool {
        matches!(self.content, Content::OnLane(_))
    }

    /// Keeps a request open until this is sent or dropped.
    pub(crate) fn keeping(self, open: Open) -> Self {
        Self { _open: Some(open), ..self }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.content {
            Content::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Streamed(incoming) => Pin::new(incoming).poll_frame(cx).map_err(BodyError::from),
            Content::OnLane(answer) => Pin::new(answer).poll_frame(cx),
            Content::Other(other) => Pin::new(other).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Full(bytes) => bytes.is_none(),
            Content::Streamed(incoming) => incoming.is_end_stream(),
            Content::OnLane(answer) => answer.is_end_stream(),
            Content::Other(other) => other.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Content::Streamed(incoming) => incoming.size_hint(),
            Content::OnLane(answer) => answer.size_hint(),
            Content::Other(other) => other.size_hint(),
        }
    }
}

/// Collects a request's body, at most `limit` bytes of it.
///
/// # Errors
/// As [`CollectError`] says; a declared length over the limit is refused before a byte is read.
pub async fn collect(incoming: Incoming, limit: usize) -> Result<Bytes, CollectError> {
    if incoming.size_hint().lower() > limit as u64 {
        return Err(CollectError::TooLarge);
    }
    let mut collecting = pin!(all_of(incoming, limit));
    // What came along with the head needs no timer.
    match futures_util::poll!(collecting.as_mut()) {
        Poll::Ready(collected) => collected,
        Poll::Pending => {
            // Boxed, since most bodies need none.
            let in_time = Box::pin(tokio::time::timeout(COLLECT_TIMEOUT, collecting));
            in_time.await.unwrap_or(Err(CollectError::TooSlow))
        }
    }
}

async fn all_of(mut incoming: Incoming, limit: usize) -> Result<Bytes, CollectError> {
    let mut first = Bytes::new();
    // Only where there is more than one piece.
    let mut joined = BytesMut::new();
    while !incoming.is_end_stream() {
        let Some(frame) = incoming.frame().await else { break };
        let Ok(piece) = frame.map_err(|_| CollectError::Broken)?.into_data() else { continue };
        if first.len() + joined.len() + piece.len() > limit {
            return Err(CollectError::TooLarge);
        }
        match (first.is_empty(), joined.is_empty()) {
            (true, true) => first = piece,
            (false, _) => {
                joined.extend_from_slice(&std::mem::take(&mut first));
                joined.extend_from_slice(&piece);
            }
            (true, false) => joined.extend_from_slice(&piece),
        }
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}
