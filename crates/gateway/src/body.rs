//! Bodies: streamed where they can be, collected within bounds where they must be.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Incoming};

/// What can go wrong while a body is on its way.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// Any body that leaves, in either direction.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

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
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body without content.
pub fn empty() -> Body {
    full(Bytes::new())
}

/// A body passed on as it comes; nothing waits in a buffer (SPEC PX-5).
pub fn streamed(incoming: Incoming) -> Body {
    incoming.map_err(BodyError::from).boxed_unsync()
}

/// Collects a request's body, at most `limit` bytes of it.
///
/// # Errors
/// As [`CollectError`] says; a declared length over the limit is refused before a byte is read.
pub async fn collect(incoming: Incoming, limit: usize) -> Result<Bytes, CollectError> {
    if incoming.size_hint().lower() > limit as u64 {
        return Err(CollectError::TooLarge);
    }
    match tokio::time::timeout(COLLECT_TIMEOUT, Limited::new(incoming, limit).collect()).await {
        Err(_) => Err(CollectError::TooSlow),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(CollectError::TooLarge),
        Ok(Err(_)) => Err(CollectError::Broken),
    }
}
