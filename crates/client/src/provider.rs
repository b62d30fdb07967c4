//! An MCP provider as a client sees it, and the guards before its token.

use std::sync::Arc;

use bearward_observe::Denial;
use bearward_token::{Authority, Origin};
use url::Url;

use crate::choice::{Choice, Levels};
use crate::mode::Mode;

/// One destination that may get the user's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name, in events and metrics.
    pub name: Arc<str>,
    /// Whose tokens it takes.
    pub authority: Authority,
    /// Where its token may go. Empty: nowhere.
    pub origins: Vec<Origin>,
    /// What its token is for.
    pub audience: Arc<str>,
    /// What a token may be for. Empty: whatever `audience` says.
    pub audiences: Vec<String>,
    /// A token may leave for this machine's loopback over plain HTTP.
    pub allow_insecure: bool,
    /// What its configuration says of reuse.
    pub choice: Choice,
}

/// Whether a token may be attached to a request, by what must hold in this order: reuse is on, the mode is bearer first, the
/// origin is on the list, the way there is safe, both are of one authority, the audience is on the list.
///
/// # Errors
/// The first that does not hold.
pub fn judge(
    levels: &Levels,
    application: &Authority,
    provider: &Provider,
    destination: &Url,
) -> Result<(), Denial> {
    if !levels.reuse().value {
        return Err(Denial::ReuseDisabled);
    }
    if levels.mode().value != Mode::BearerFirst {
        return Err(Denial::ModeNotBearerFirst);
    }
    provider.may_have(application, destination)
}

impl Provider {
    /// Where requests for it go, and whose token they may carry; whether that is wanted is another question.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn may_have(&self, application: &Authority, destination: &Url) -> Result<(), Denial> {
        // A name or password in a URL becomes a credential of its own.
        let is_plain = destination.username().is_empty() && destination.password().is_none();
        let origin = Origin::of(destination).filter(|origin| is_plain && self.origins.contains(origin));
        let origin = origin.ok_or(Denial::OriginNotAllowed)?;
        if origin.is_plain_http() && !(self.allow_insecure && origin.is_loopback()) {
            return Err(Denial::SchemeBlocked);
        }
        self.takes_tokens_of(application)
    }

    /// Whether it takes the tokens of an application's users at all, wherever requests for it go.
    ///
    /// # Errors
    /// The first guard that says no.
    pub fn takes_tokens_of(&self, application: &Authority) -> Result<(), Denial> {
        if !self.authority.is_same_as(application) {
            return Err(Denial::AuthorityMismatch);
        }
        if !self.audiences.is_empty() && !self.audiences.iter().any(|allowed| **allowed == *self.audience) {
            return Err(Denial::AudienceNotAllowed);
        }
        Ok(())
    }

    /// Whether a token that is for `audience` may be had for it.
    pub(crate) fn is_for(&self, audience: &str) -> bool {
        // Where nothing is known of what it takes, the broker decides.
        let is_known = !self.audience.is_empty() || !self.audiences.is_empty();
        !is_known || *self.audience == *audience || self.audiences.iter().any(|allowed| allowed == audience)
    }
}

/// What to do about a denial, for the error's reader.
pub(crate) fn advice(denial: Denial) -> &'static str {
    match denial {
        Denial::ReuseDisabled => "reuse is off: set `reuseAuthorizer: true`, or `MCP_REUSE_AUTHORIZER=true`",
        Denial::ModeNotBearerFirst => {
            "the mode is `cookie_first`: a token follows once the cookie was refused"
        }
        Denial::OriginNotAllowed => {
            "the request's origin is not on the provider's list: add it to `auth.origins`"
        }
        Denial::SchemeBlocked => {
            "a token leaves over https:// alone; `allowInsecure: true` is for this machine's own loopback"
        }
        Denial::AuthorityMismatch => {
            "the application's login is of another authority than the provider's `auth.authority`"
        }
        Denial::AudienceNotAllowed => {
            "the provider's `auth.audience` is not on its own list, `auth.audiences`"
        }
        Denial::SubjectMismatch => "the session is another user's than the request's own token",
    }
}

#[cfg(test)]
mod tests;
