//! A token that was given: nobody is asked for it, and nobody can get another. Its expiry is watched.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bearward_issuer::SharedCredential;
use bearward_token::{AccessToken, Clock, Fingerprint, Issuer};

use crate::error::Failure;
use crate::grant::{Grant, Granted, Requesting};
use crate::key::{KeyParts, TokenKey};
use crate::lifetime::left_of_jwt;

/// The grant's name, in configuration and keys.
pub const NAME: &str = "static";

/// A token that says nothing of its end is taken to live for so long, from when it was last read.
pub(crate) const UNKNOWN: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Read so often, so that one that is put in its place is used soon.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A given token.
pub struct StaticToken {
    token: SharedCredential,
    clock: Arc<dyn Clock>,
}

impl StaticToken {
    /// The token that `token` reads.
    pub fn new(token: SharedCredential, clock: Arc<dyn Clock>) -> Self {
        Self { token, clock }
    }

    /// What it is known by: whose it is, and for which provider.
    pub fn key(issuer: Issuer, provider: &str) -> TokenKey {
        TokenKey::from(KeyParts::new(issuer, provider, NAME))
    }

    async fn read(&self) -> Result<Granted, Failure> {
        let given = self.token.current().await?;
        let text = given.secret.expose();
        if text.is_empty() {
            return Err(Failure::Given { reason: "it is empty" });
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::Given { reason: "it holds characters that no header can carry" });
        }
        let left = left_of_jwt(text, self.clock.unix_seconds());
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Failure::Given {
                reason: "it has expired: put a new one in its place, or use another grant",
            });
        }
        let mut granted = Granted::new(AccessToken::new(text), left.unwrap_or(UNKNOWN));
        granted.look_again = Some(LOOK_AGAIN);
        Ok(granted)
    }
}

impl Grant for StaticToken {
    fn request(&self) -> Requesting<'_> {
        Box::pin(self.read())
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        self.token.version()
    }

    fn is_local(&self) -> bool {
        true
    }
}

impl fmt::Debug for StaticToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticToken")
    }
}

#[cfg(test)]
mod tests;
