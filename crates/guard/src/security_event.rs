//! What issuers send about sessions that have ended: OpenID Connect back-channel logout tokens, and security event
//! tokens (RFC 8417) with CAEP's session-revoked. Both are JWTs, verified as strictly as any.
//!
//! A stream of security events carries others as well: they are received, and change nothing.

use std::sync::Arc;
use std::time::Duration;

use bearward_observe::Rejection;
use bearward_token::{Clock, Fingerprint};
use moka::policy::EvictionPolicy;
use serde_json::{Map, Value};

use crate::bearer::Unverified;
use crate::revocation::{NotKept, Revocation, RevocationError, Revocations, Source};
use crate::verify::TrustedIssuer;

/// OpenID Connect Back-Channel Logout 1.0 §2.4.
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// CAEP §3.1.
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// Older ones are not taken: they would be replays, or too late to matter.
const OLDEST: Duration = Duration::from_secs(24 * 3600);
/// How many types of one event are told in the log.
const MOST_TOLD: usize = 5;
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
    /// It is, and names another issuer's subject: nobody may end what another one began.
    #[error("the event is about another issuer's subject, and its sender may speak of its own alone")]
    ForeignSubject,
    /// There is no room for the revocation, or it names what cannot be one.
    #[error(transparent)]
    Revocation(#[from] RevocationError),
    /// The revocation counts, and would not survive a restart.
    #[error(transparent)]
    NotKept(#[from] NotKept),
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
        let (source, revocations) = match kind {
            Kind::Logout => (Source::Logout, of_logout(&issuer, &claims)),
            Kind::SecurityEvent => match session_revoked(&claims) {
                Some(event) => (Source::SecurityEvent, of_event(&issuer, &claims, event)?),
                None => {
                    tell_of_others(&issuer, &claims);
                    return Ok(());
                }
            },
        };
        if revocations.is_empty() {
            return Err(EventError::Nobody);
        }
        self.revocations.add_all(source, &revocations)?;
        // Not remembered before it is safe: the issuer will send it again.
        self.revocations.keep().await?;
        self.seen.insert(id, ());
        Ok(())
    }

    async fn verify(
        &self,
        kind: Kind,
        token: Unverified<'_>,
    ) -> Result<(String, Map<String, Value>), Rejection> {
        let types = match kind {
            // Before the type had a name of its own, plain JWTs were sent.
            Kind::Logout => ["logout+jwt", "JWT"].as_slice(),
            Kind::SecurityEvent => ["secevent+jwt"].as_slice(),
        };
        let audiences = |sender: &Sender| match kind {
            Kind::Logout => sender.logout_audiences.clone(),
            Kind::SecurityEvent => sender.event_audiences.clone(),
        };
        let senders = self.senders.iter().map(|sender| (&sender.issuer, audiences(sender)));
        let (issuer, audiences, claims) = crate::verify::signed_by_one(token, senders, types).await?;
        is_event(kind, &claims)?;
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

fn is_event(kind: Kind, claims: &Map<String, Value>) -> Result<(), Rejection> {
    let events = claims.get("events").and_then(Value::as_object);
    let is_there = events.is_some_and(|events| match kind {
        Kind::Logout => events.contains_key(LOGOUT),
        // RFC 8417 §2.2: at least one.
        Kind::SecurityEvent => !events.is_empty(),
    });
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

fn session_revoked(claims: &Map<String, Value>) -> Option<&Value> {
    claims.get("events")?.get(SESSION_REVOKED)
}

/// Events that end nothing here: a stream being verified or changed, and whatever else an issuer tells. An error would
/// say that they were not received (RFC 8935 §2.2), and make the issuer stop the stream.
fn tell_of_others(issuer: &str, claims: &Map<String, Value>) {
    let events = claims.get("events").and_then(Value::as_object);
    let types: Vec<_> = events.into_iter().flat_map(Map::keys).take(MOST_TOLD).collect();
    tracing::info!(issuer, ?types, "a security event was received that changes nothing here");
}

fn of_logout(issuer: &str, claims: &Map<String, Value>) -> Vec<Revocation> {
    revocations(issuer, text(claims.get("sid")), text(claims.get("sub")), claims)
}

/// The subject stands in `sub_id` (RFC 9493), or in older events within the event.
fn of_event(issuer: &str, claims: &Map<String, Value>, event: &Value) -> Result<Vec<Revocation>, EventError> {
    let subjects = [claims.get("sub_id"), event.get("subject")];
    for subject in subjects.into_iter().flatten() {
        is_of(issuer, subject)?;
    }
    let Some(subject) = subjects.into_iter().flatten().next() else { return Ok(Vec::new()) };
    let part = |name: &str| subject.get(name).unwrap_or(subject);
    let (session, user) = (part("session"), part("user"));
    let is =
        |identifier: &Value, format: &str| identifier.get("format").and_then(Value::as_str) == Some(format);
    // A session is opaque to us but for its id.
    let sid =
        Some(session).filter(|session| is(session, "opaque")).and_then(|session| text(session.get("id")));
    let sub = Some(user).filter(|user| is(user, "iss_sub")).and_then(|user| text(user.get("sub")));
    Ok(revocations(issuer, sid, sub, claims))
}

/// Every `iss` in a subject, however deep it stands (RFC 9493 §3.2.8), must be the sender.
fn is_of(issuer: &str, subject: &Value) -> Result<(), EventError> {
    match subject {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| match (name.as_str(), value) {
            ("iss", named) if named.as_str() == Some(issuer) => Ok(()),
            ("iss", _) => Err(EventError::ForeignSubject),
            (_, value) => is_of(issuer, value),
        }),
        Value::Array(all) => all.iter().try_for_each(|one| is_of(issuer, one)),
        _ => Ok(()),
    }
}

/// A session if one is named, else all that the subject was given so far. Many issuers' access tokens carry no `sid`, so
/// that a session alone would reach none of them: with both, the subject's tokens without one end as well.
fn revocations(
    issuer: &str,
    sid: Option<String>,
    sub: Option<String>,
    claims: &Map<String, Value>,
) -> Vec<Revocation> {
    let nothing = Revocation { issuer: Some(issuer.to_owned()), ..Revocation::default() };
    let issued_before = claims.get("iat").and_then(Value::as_f64).map(|iat| iat as u64 + 1);
    let of_session = sid.map(|sid| Revocation { sid: Some(sid), ..nothing.clone() });
    let without_sid = of_session.is_some();
    let of_subject = sub.map(|sub| Revocation { sub: Some(sub), without_sid, issued_before, ..nothing });
    of_session.into_iter().chain(of_subject).collect()
}

fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
