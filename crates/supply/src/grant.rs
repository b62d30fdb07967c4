//! How a token is had: the one seam between the token manager and OAuth.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bearward_token::{AccessToken, Fingerprint};

use crate::error::Failure;

/// A way to get a token. One request an attempt; retrying, waiting and keeping are the manager's work.
pub trait Grant: fmt::Debug + Send + Sync + 'static {
    /// Makes one request.
    fn request(&self) -> Requesting<'_>;

    /// Which credential the next request would use, so that a new one is tried at once after the old one
    /// was refused (HARD 7). `None` when it cannot be read.
    fn credential_version(&self) -> Option<Fingerprint>;
}

/// What a [`Grant`] hands out.
pub type Requesting<'a> = Pin<Box<dyn Future<Output = Result<Granted, Failure>> + Send + 'a>>;

/// A token as it was granted.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The token.
    pub access_token: AccessToken,
    /// Counted from when the request was sent (HARD 9).
    pub lifetime: Duration,
    /// The version of the credential that it was granted to; `None` where the grant has none.
    pub credential: Option<Fingerprint>,
}
