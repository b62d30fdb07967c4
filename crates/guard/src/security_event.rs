//! What issuers send about sessions that have ended: OpenID Connect back-channel logout tokens, and security event
//! tokens (RFC 8417) with CAEP's session-revoked. Both are JWTs, verified as strictly as any.

use std::sync::Arc;
use std::time::Duration;

use bearward_observe::Rejection;
use bearward_token::{Clock, Fingerprint};
use moka::policy::EvictionPolicy;
use serde_json::{Map, Value};

use crate::bearer::Unverified;
use crate::revocation::{Revocation, RevocationError, Revocations, Source};
use crate::verify::TrustedIssuer;

/// OpenID Connect Back-Channel Logout 1.0 §2.4.
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// CAEP §3.1.
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// Older ones are not taken: they would be replays, or too late to matter.
const OLDEST: Duration = Duration::from_secs(24 * 3600);
/// How many events are remembered, so that none counts twice.
const MOST_SEEN: u64 = 10_000;

/// Takes events of some issuers in.
#[derive(Debug)]
pub struct Receiver {
    senders: Vec<Sender>,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    seen: moka::sync::Cache<Fingerprint, ()>,
}

/// One issuer, and what its events must be for.
#[derive(Debug)]
pub struct Sender {
    /// Whose keys verify.
    pub issuer: Arc<TrustedIssuer>,
    /// Accepted `aud` of logout tokens: our client ids there. Empty: none is accepted.
    pub logout_audiences: Vec<String>,
    /// Accepted `aud` of security event tokens. Empty: none is accepted.
    pub event_audiences: Vec<String>,
}

/// Which kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A logout token.
    Logout,
    /// A security event token.
    SecurityEvent,
}

/// Why an event is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The token is not good.
    #[error("the token is not accepted: {0}")]
    Token(Rejection),
    /// It is, and speaks of nothing that can be revoked.
    #[error("the event names no session and no subject")]
    Nobody,
    /// The revocation cannot be kept.
    #[error(transparent)]
    Revocation(#[from] RevocationError),
}

impl Receiver {
    /// Revokes what these senders' events say.
    pub fn new(senders: Vec<Sender>, revocations: Arc<Revocations>, clock: Arc<dyn Clock>) -> Self {
        let seen = moka::sync::Cache::builder().max_capacity(MOST_SEEN).time_to_live(OLDEST);
        Self { senders, revocations, clock, seen: seen.eviction_policy(EvictionPolicy::lru()).build() }
    }

    /// True when nobody may send anything.
    pub fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// Takes one event in. One that was taken before changes nothing and is no error.
    ///
    /// # Errors
    /// As [`EventError`] says.
    pub async fn take(&self, kind: Kind, token: &str) -> Result<(), EventError> {
        let (issuer, claims) = self.verify(kind, Unverified::new(token)).await.map_err(EventError::Token)?;
        let id = claims.get("jti").and_then(Value::as_str).ok_or(EventError::Token(Rejection::Claims))?;
        let id = Fingerprint::of(&format!("{issuer} {id}"));
        if self.seen.contains_key(&id) {
            return Ok(());
        }
        let (source, revocation) = match kind {
            Kind::Logout => (Source::Logout, of_logout(&claims)),
            Kind::SecurityEvent => (Source::SecurityEvent, of_event(&claims)),
        };
        let mut revocation = revocation.ok_or(EventError::Nobody)?;
        revocation.issuer.get_or_insert(issuer);
        self.revocations.add(source, &revocation)?;
        self.seen.insert(id, ());
        Ok(())
    }

    async fn verify(
        &self,
        kind: Kind,
        token: Unverified<'_>,
    ) -> Result<(String, Map<String, Value>), Rejection> {
        let (types, event) = match kind {
            // Before the type had a name of its own, plain JWTs were sent.
            Kind::Logout => (["logout+jwt", "JWT"].as_slice(), LOGOUT),
            Kind::SecurityEvent => (["secevent+jwt"].as_slice(), SESSION_REVOKED),
        };
        let audiences = |sender: &Sender| match kind {
            Kind::Logout => sender.logout_audiences.clone(),
            Kind::SecurityEvent => sender.event_audiences.clone(),
        };
        let senders = self.senders.iter().map(|sender| (&sender.issuer, audiences(sender)));
        let (issuer, audiences, claims) = crate::verify::signed_by_one(token, senders, types).await?;
        is_event(&claims, event)?;
        is_for(&claims, &audiences)?;
        self.is_recent(&claims, issuer.expectations.skew)?;
        Ok((issuer.issuer.as_str().to_owned(), claims))
    }

    fn is_recent(&self, claims: &Map<String, Value>, skew: Duration) -> Result<(), Rejection> {
        let now = self.clock.unix_ms() as f64 / 1000.0;
        let at = |name: &str| claims.get(name).and_then(Value::as_f64);
        let issued = at("iat").ok_or(Rejection::Claims)?;
        if issued > now + skew.as_secs_f64() {
            return Err(Rejection::NotYetValid);
        }
        let is_old = issued + OLDEST.as_secs_f64() < now
            || at("exp").is_some_and(|exp| exp + skew.as_secs_f64() <= now);
        if is_old { Err(Rejection::Expired) } else { Ok(()) }
    }
}

fn is_event(claims: &Map<String, Value>, event: &str) -> Result<(), Rejection> {
    let is_there =
        claims.get("events").and_then(Value::as_object).is_some_and(|events| events.contains_key(event));
    // A logout token with a nonce could be an ID token (Back-Channel Logout §2.4).
    if is_there && !claims.contains_key("nonce") { Ok(()) } else { Err(Rejection::TokenType) }
}

fn is_for(claims: &Map<String, Value>, audiences: &[String]) -> Result<(), Rejection> {
    let is_ours =
        |value: &Value| value.as_str().is_some_and(|named| audiences.iter().any(|ours| ours == named));
    let is_ours = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(is_ours),
        Some(one) => is_ours(one),
        None => false,
    };
    if is_ours { Ok(()) } else { Err(Rejection::Audience) }
}

/// A session if one is named, else all that the subject was given so far.
fn of_logout(claims: &Map<String, Value>) -> Option<Revocation> {
    revocation(text(claims.get("sid")), text(claims.get("sub")), claims)
}

/// The subject stands in `sub_id` (RFC 9493), or in older events within the event.
fn of_event(claims: &Map<String, Value>) -> Option<Revocation> {
    let event = claims.get("events")?.get(SESSION_REVOKED)?;
    let subject = claims.get("sub_id").or_else(|| event.get("subject"))?;
    let part = |name: &str| subject.get(name).unwrap_or(subject);
    let (session, user) = (part("session"), part("user"));
    let is =
        |identifier: &Value, format: &str| identifier.get("format").and_then(Value::as_str) == Some(format);
    // A session is opaque to us but for its id.
    let sid =
        Some(session).filter(|session| is(session, "opaque")).and_then(|session| text(session.get("id")));
    let sub = Some(user).filter(|user| is(user, "iss_sub")).and_then(|user| text(user.get("sub")));
    let named = Some(user).filter(|user| is(user, "iss_sub")).and_then(|user| text(user.get("iss")));
    let mut revocation = revocation(sid, sub, claims)?;
    revocation.issuer = named;
    Some(revocation)
}

fn revocation(sid: Option<String>, sub: Option<String>, claims: &Map<String, Value>) -> Option<Revocation> {
    let issued_before = claims.get("iat").and_then(Value::as_f64).map(|iat| iat as u64 + 1);
    let nothing =
        Revocation { issuer: None, jti: None, sid: None, sub: None, issued_before: None, until: None };
    match (sid, sub) {
        (Some(sid), _) => Some(Revocation { sid: Some(sid), ..nothing }),
        (None, Some(sub)) => Some(Revocation { sub: Some(sub), issued_before, ..nothing }),
        (None, None) => None,
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
