//! Sessions: who has signed in, found by the cookie and by nothing else (HARD 30).
//!
//! The cookie is a random secret. What it opens stands in the store, at a place that is named by its hash: neither the store
//! nor a log holds what a browser would have to send.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bearward_guard::Revocations;
use bearward_store::{Expected, Place, Purpose, Record, SecretBytes, Store, StoreError};
use bearward_token::{Clock, Fingerprint, Issuer, Principal, ScopeSet};
use serde::{Deserialize, Serialize};

use crate::packed::packed;
use crate::random::{NoRandomness, Secret};

/// So long the record of a session is kept that has ended by itself.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// How long a session may live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lives {
    /// Without being used.
    pub idle: Duration,
    /// Altogether, however often it is used.
    pub absolute: Duration,
}

/// The sessions of one application.
#[derive(Debug)]
pub struct Sessions {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    issuer: Issuer,
    client: String,
    lives: Lives,
    revocations: Arc<Revocations>,
}

/// What a cookie opens, for who uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// A session.
    Open(Session),
    /// One that the issuer or an operator has ended, or time: there is something left to clean up.
    Ended,
    /// Nothing.
    Nothing,
}

/// Who has signed in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// `sub`.
    pub subject: String,
    /// `sid`: the session at the issuer, for a logout that comes from there.
    pub session_id: Option<String>,
    /// What the application may greet them with.
    pub name: Option<String>,
    /// When they signed in, in milliseconds since the Unix epoch.
    pub began_ms: u64,
    /// When the session was last used, to the minute.
    pub seen_ms: u64,
}

/// Why nothing is known of a session; there may be one all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The store cannot be used.
    #[error("sessions cannot be kept: {0}")]
    Store(#[from] StoreError),
    /// No cookie can be made that nobody could guess.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

impl Session {
    /// Of somebody who has signed in just now.
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), session_id: None, name: None, began_ms: 0, seen_ms: 0 }
    }

    /// Whom its tokens speak for.
    pub fn principal(&self, issuer: &Issuer, scopes: ScopeSet) -> Principal {
        Principal {
            issuer: issuer.clone(),
            subject: self.subject.as_str().into(),
            client: None,
            tenant: None,
            scopes,
            roles: Vec::new(),
            session_id: self.session_id.as_deref().map(Into::into),
            token_id: None,
            expires_at: u64::MAX,
            issued_at: Some(self.began_ms / 1000),
            claims: Arc::default(),
        }
    }

    fn pack(&self) -> SecretBytes {
        let optional = [&self.session_id, &self.name];
        let texts = optional.into_iter().flatten().map(String::len).sum::<usize>() + self.subject.len();
        packed(self, texts)
    }

    fn unpack(record: &Record) -> Option<Self> {
        serde_json::from_slice(record.secret.expose()).ok()
    }
}

impl Sessions {
    /// Of the application that is `client` at `issuer`. What `revocations` says of a session or its subject ends it, as
    /// back-channel logout does.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        issuer: Issuer,
        client: impl Into<String>,
        lives: Lives,
        revocations: Arc<Revocations>,
    ) -> Self {
        Self { store, clock, issuer, client: client.into(), lives, revocations }
    }

    /// Begins one, with a cookie that nobody had before.
    ///
    /// # Errors
    /// When it cannot be kept, or no cookie can be made.
    pub async fn begin(&self, session: Session) -> Result<Secret, SessionError> {
        let cookie = Secret::new()?;
        self.begin_as(&cookie, session).await?;
        Ok(cookie)
    }

    /// The same for a cookie that was made for it, and that nobody has yet.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub async fn begin_as(&self, cookie: &Secret, mut session: Session) -> Result<(), SessionError> {
        let now = self.clock.unix_ms();
        (session.began_ms, session.seen_ms) = (now, now);
        let ends = Some(self.forgotten_at(&session));
        self.store.put(&self.place(cookie), session.pack(), ends, Expected::Absent).await?;
        Ok(())
    }

    /// The session that a cookie opens. Looking changes nothing (HARD 29).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn look(&self, cookie: &Secret) -> Result<Option<Session>, SessionError> {
        Ok(self.find(cookie).await?.map(|(session, _)| session).filter(|session| !self.is_over(session)))
    }

    /// The same for who uses it: it lives on.
    ///
    /// # Errors
    /// When the store cannot be read. One that cannot be written makes the session die earlier, and is told in the log.
    pub async fn enter(&self, cookie: &Secret) -> Result<Entered, SessionError> {
        let Some((mut session, version)) = self.find(cookie).await? else { return Ok(Entered::Nothing) };
        if self.is_over(&session) {
            return Ok(Entered::Ended);
        }
        let now = self.clock.unix_ms();
        // Not with every request: a page may send dozens at once.
        let interval = u64::try_from((self.lives.idle / 10).min(Duration::from_secs(60)).as_millis());
        if now.saturating_sub(session.seen_ms) >= interval.unwrap_or(u64::MAX) {
            session.seen_ms = now;
            let ends = self.forgotten_at(&session);
            let (place, expected) = (self.place(cookie), Expected::Version(version));
            match self.store.put(&place, session.pack(), Some(ends), expected).await {
                // Another request was faster, or a logout: what stands there is right.
                Ok(_) | Err(StoreError::Conflict { .. } | StoreError::LoggedOut { .. }) => {}
                Err(error) => tracing::warn!(%error, "that a session was used is not written down"),
            }
        }
        Ok(Entered::Open(session))
    }

    /// Ends a session: the cookie opens nothing any more, here and at a late write of what was under way (HARD 14). False
    /// where there was none: nothing is written for a cookie that anybody could have made up.
    ///
    /// # Errors
    /// When the store cannot be written; the session may go on then.
    pub async fn end(&self, cookie: &Secret) -> Result<bool, SessionError> {
        self.end_by(&cookie.fingerprint()).await
    }

    /// Those whose time is over, or that the issuer or an operator has ended, by the hashes of their cookies.
    ///
    /// # Errors
    /// When the store cannot say which there are.
    pub async fn over(&self) -> Result<Vec<Fingerprint>, SessionError> {
        let mut over = Vec::new();
        for place in self.store.list(Purpose::Session).await?.places {
            let session = Fingerprint::from_bytes(place.key);
            if place == self.place_of(&session)
                && self.find_by(&place).await?.is_some_and(|(session, _)| self.is_over(&session))
            {
                over.push(session);
            }
        }
        Ok(over)
    }

    /// The same as [`Sessions::end`] for one that is known by the hash of its cookie.
    ///
    /// # Errors
    /// As there.
    pub async fn end_by(&self, session: &Fingerprint) -> Result<bool, SessionError> {
        let place = self.place_of(session);
        // What cannot be read is removed as well.
        if let Ok(None) = self.store.get(&place).await {
            return Ok(false);
        }
        self.store.remove(&place).await?;
        Ok(true)
    }

    async fn find(&self, cookie: &Secret) -> Result<Option<(Session, u64)>, SessionError> {
        self.find_by(&self.place(cookie)).await
    }

    async fn find_by(&self, place: &Place) -> Result<Option<(Session, u64)>, SessionError> {
        let Some(record) = self.store.get(place).await? else { return Ok(None) };
        let Some(session) = Session::unpack(&record) else {
            tracing::warn!("a session's record is none of this version's");
            return Ok(None);
        };
        Ok(Some((session, record.version)))
    }

    /// Whether its time is over, by our own clock as well since a store may forget late; or the issuer or an operator has
    /// ended it.
    fn is_over(&self, session: &Session) -> bool {
        let is_old = self.clock.unix_ms() >= self.ends_at_ms(session);
        is_old || self.revocations.is_revoked(&session.principal(&self.issuer, ScopeSet::default()))
    }

    fn ends_at_ms(&self, session: &Session) -> u64 {
        let after = |from: u64, life: Duration| {
            from.saturating_add(u64::try_from(life.as_millis()).unwrap_or(u64::MAX))
        };
        after(session.seen_ms, self.lives.idle).min(after(session.began_ms, self.lives.absolute))
    }

    /// In seconds since the Unix epoch. Some time after its end, so that what is left of it is ended as well when its cookie
    /// comes once more.
    fn forgotten_at(&self, session: &Session) -> u64 {
        self.ends_at_ms(session).div_ceil(1000).saturating_add(REMEMBERED.as_secs())
    }

    fn place(&self, cookie: &Secret) -> Place {
        self.place_of(&cookie.fingerprint())
    }

    fn place_of(&self, session: &Fingerprint) -> Place {
        Place {
            tenant: None,
            issuer: self.issuer.clone(),
            subject: None,
            client: self.client.clone(),
            purpose: Purpose::Session,
            key: *session.as_bytes(),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("subject", &self.subject).field("began_ms", &self.began_ms).finish()
    }
}

#[cfg(test)]
mod tests;
