//! How a token is had: the one seam between the token manager and OAuth.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bearward_token::{AccessToken, Fingerprint, IdToken};

use crate::dependents::Dependent;
use crate::error::Failure;
use crate::quota::Quota;

/// A way to get a token. One request an attempt; retrying, waiting and keeping are the manager's work.
pub trait Grant: fmt::Debug + Send + Sync + 'static {
    /// Makes one request.
    fn request(&self) -> Requesting<'_>;

    /// Which credential the next request would use, so that a new one is tried at once after the old one
    /// was refused (HARD 7). `None` when it cannot be read.
    fn credential_version(&self) -> Option<Fingerprint>;

    /// Ends what was granted: forgets what could get another token, and revokes that and `access` at the
    /// authorization server, or leaves it to be revoked later (HARD 14).
    fn end<'a>(&'a self, access: Option<&'a AccessToken>) -> Ending<'a> {
        let _ = access;
        Box::pin(async { Ok(Revoked::Nothing) })
    }

    /// Ends this one token, which came after a logout: nobody wants it. Touches nothing that has begun since.
    fn discard<'a>(&'a self, access: &'a AccessToken) -> Ending<'a> {
        self.end(Some(access))
    }

    /// Gets what a request needs from elsewhere, before leave for it is asked for: whoever waits for another token while
    /// it holds the only leave there is would wait for itself.
    ///
    /// # Errors
    /// Why it cannot be had; no request is made then.
    fn prepare(&self) -> Preparing<'_> {
        Box::pin(async { Ok(()) })
    }

    /// Completes once nothing of this grant is under way, whoever has stopped waiting for it.
    fn landed(&self) -> Landing<'_> {
        Box::pin(async {})
    }

    /// `dependent` keeps what this grants from now on. For grants of a login that others share: when it ends for one, its
    /// tokens go everywhere (HARD 14).
    fn kept_by(&self, dependent: Dependent) {
        let _ = dependent;
    }

    /// The destination refused `access`: the next request is to bring another. For grants that ask somebody who may hold it
    /// for good.
    fn refused(&self, access: &AccessToken) {
        let _ = access;
    }

    /// True when a request asks nobody: it is not worth a line in the log.
    fn is_local(&self) -> bool {
        false
    }
}

/// What a [`Grant`] hands out.
pub type Requesting<'a> = Pin<Box<dyn Future<Output = Result<Granted, Failure>> + Send + 'a>>;

/// What a [`Grant`] prepares.
pub type Preparing<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// The end of what is under way.
pub type Landing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What becomes of a [`Grant::end`].
pub type Ending<'a> = Pin<Box<dyn Future<Output = Result<Revoked, Failure>> + Send + 'a>>;

/// A token as it was granted.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The token.
    pub access_token: AccessToken,
    /// The ID token that came with it.
    pub id_token: Option<GrantedId>,
    /// Counted from when the request was sent (HARD 9).
    pub lifetime: Duration,
    /// When to ask again, where that does not follow from the lifetime.
    pub look_again: Option<Duration>,
    /// The version of the credential that it was granted to; `None` where the grant has none.
    pub credential: Option<Fingerprint>,
    /// What the authorization server says of how much it may still be asked.
    pub quota: Option<Quota>,
    /// It is the first of a login: nothing that came before belongs to it.
    pub is_new_login: bool,
}

/// An ID token as it was granted.
#[derive(Debug, Clone)]
pub struct GrantedId {
    /// The token.
    pub token: IdToken,
    /// Out of its own claims; counted from when the request was sent.
    pub lifetime: Duration,
}

/// What became of the tokens that a logout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// There was nothing to revoke.
    Nothing,
    /// The authorization server knows.
    Done,
    /// It could not be told, and will be.
    Queued,
    /// It takes no word of this: what it issued lives until it expires.
    NotOffered,
}

impl Revoked {
    /// What became of both, as far as there is something left to know.
    pub(crate) fn and(self, other: Self) -> Self {
        let told = [Self::Queued, Self::NotOffered, Self::Done];
        told.into_iter().find(|one| [self, other].contains(one)).unwrap_or(Self::Nothing)
    }
}

impl Granted {
    /// A token that lives for `lifetime`.
    pub fn new(access_token: AccessToken, lifetime: Duration) -> Self {
        Self {
            access_token,
            id_token: None,
            lifetime,
            look_again: None,
            credential: None,
            quota: None,
            is_new_login: false,
        }
    }
}
