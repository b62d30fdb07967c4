//! A token as it is kept, and as it is handed out.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bearward_token::expiry::Moment;
use bearward_token::{AccessToken, Clock, Expiry, IdToken};
use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::grant::Granted;
use crate::lifetime::{floor, refresh_lead};
use crate::static_token::UNKNOWN;

/// A token that was alive when it was handed out. It becomes a header only while it still is.
#[derive(Debug, Clone)]
pub struct Supplied {
    pub(crate) held: Arc<Held>,
}

/// A token as it is kept.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) token: AccessToken,
    pub(crate) id: Option<HeldId>,
    pub(crate) lifetime: Duration,
    /// Past it the token is dead.
    pub(crate) expiry: Expiry,
    /// Past it the token is not handed out any more.
    pub(crate) usable_until: Expiry,
    /// Past it a refresh is due.
    pub(crate) refresh_at: Expiry,
    /// As a header, made when it is first wanted; `None` where it cannot be one.
    authorization: OnceLock<Option<HeaderValue>>,
}

/// The ID token that came with it.
#[derive(Debug, Clone)]
pub(crate) struct HeldId {
    pub(crate) token: IdToken,
    pub(crate) lifetime: Duration,
    pub(crate) expiry: Expiry,
    /// It came with an earlier access token.
    pub(crate) is_carried: bool,
}

impl Held {
    /// What was granted to a request that left at `sent` (HARD 9). `before` gives its ID token where the answer has
    /// none: a refresh need not repeat it (OpenID Connect Core §12.2).
    pub(crate) fn new(granted: Granted, sent: Moment, jitter: f64, before: Option<&Self>) -> Self {
        let Granted { access_token, id_token, lifetime, look_again, is_new_login, .. } = granted;
        let id = id_token.map(|id| HeldId {
            token: id.token,
            lifetime: id.lifetime,
            expiry: sent.plus(id.lifetime),
            is_carried: false,
        });
        // Of the same login: another's is another person's.
        let before = before.filter(|_| !is_new_login);
        let id = id.or_else(|| Some(HeldId { is_carried: true, ..before?.id.clone()? }));
        let expiry = sent.plus(lifetime);
        let refresh_at = match look_again {
            None => expiry.earlier_by(refresh_lead(lifetime, jitter)),
            Some(after) => sent.plus(after.min(lifetime)),
        };
        Self {
            token: access_token,
            id,
            lifetime,
            expiry,
            usable_until: expiry.earlier_by(floor(lifetime)),
            refresh_at,
            authorization: OnceLock::new(),
        }
    }

    /// The ID token, while it may be handed out.
    pub(crate) fn id_at(&self, now: &Moment) -> Option<&HeldId> {
        let id = self.id.as_ref()?;
        (id.expiry.left_at(now) > floor(id.lifetime)).then_some(id)
    }
}

/// A token as a header. All requests share its bytes, which are wiped when the last of them has left and the token is
/// forgotten (HARD 20).
fn header(token: &AccessToken) -> Option<HeaderValue> {
    const SCHEME: &[u8] = b"Bearer ";
    let mut text = Zeroizing::new(Vec::with_capacity(SCHEME.len() + token.expose().len()));
    text.extend_from_slice(SCHEME);
    text.extend_from_slice(token.expose().as_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Supplied {
    /// One that was granted elsewhere and is no business of the token manager.
    pub(crate) fn of(token: AccessToken, lifetime: Duration, clock: &dyn Clock) -> Self {
        let granted = Granted::new(token, lifetime);
        Self { held: Arc::new(Held::new(granted, Moment::now(clock), 0.0, None)) }
    }

    /// The `Authorization` value, marked sensitive; `None` once the token is dead.
    pub fn authorization(&self, clock: &dyn Clock) -> Option<HeaderValue> {
        if self.held.expiry.is_past(clock) {
            return None;
        }
        self.held.authorization.get_or_init(|| header(&self.held.token)).clone()
    }

    /// The token itself, for who hands it on to its own destination.
    pub fn token(&self) -> &AccessToken {
        &self.held.token
    }

    /// The ID token that belongs to it; `None` without one, and once it is dead.
    pub fn id_token(&self, clock: &dyn Clock) -> Option<&IdToken> {
        self.held.id_at(&Moment::now(clock)).map(|id| &id.token)
    }

    /// Time left, where the token or who granted it says when it ends.
    pub fn known_to_expire_in(&self, clock: &dyn Clock) -> Option<Duration> {
        (self.held.lifetime < UNKNOWN).then(|| self.expires_in(clock))
    }

    /// Time left.
    pub fn expires_in(&self, clock: &dyn Clock) -> Duration {
        self.held.expiry.left(clock)
    }

    /// True when `held` is the same token.
    pub(crate) fn is(&self, held: &Held) -> bool {
        self.held.token == held.token
    }
}
