//! One revocation: as it is written in files and sent to the admin API, and as it is looked up.

use std::sync::Arc;
use std::time::Duration;

use bearward_token::{Issuer, Principal};
use serde::{Deserialize, Serialize};

use super::RevocationError;

/// Kept so long when nobody says otherwise. Whoever tells of a logout does not say how long the tokens live that it
/// ends, so it must be longer than any token of a sane issuer: one that is forgotten too early comes back to life, one
/// that is kept too long costs some memory.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Kept at most so long, unless it stands in a file: there is always room for the next one some day.
const KEPT_AT_MOST: Duration = Duration::from_secs(90 * 24 * 3600);
/// The end of what counts as long as it stands in its file.
const NEVER: u64 = u64::MAX;

/// One revocation. Exactly one of `jti`, `sid` and `sub`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revocation {
    /// Of this issuer's tokens; left out: of any issuer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The token with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// All tokens of this login session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// All tokens of this subject that were issued before [`Revocation::issued_before`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// With `sub`: of these only the tokens that carry no `sid`, and so belong to no session that could be named.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_sid: bool,
    /// With `sub`: seconds since the Unix epoch; left out: now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<u64>,
    /// Until when it must be remembered, in seconds since the Unix epoch; left out: for 30 days, or as long as it
    /// stands in its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// Where a revocation comes from. What one source says is replaced by that source alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The admin API.
    Api,
    /// A watched file.
    File,
    /// OpenID Connect back-channel logout.
    Logout,
    /// A security event (RFC 8417).
    SecurityEvent,
}

/// What a revocation is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) source: Source,
    pub(super) issuer: Option<Issuer>,
    pub(super) what: What,
}

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum What {
    Token(Arc<str>),
    Session(Arc<str>),
    Subject(Arc<str>),
    /// The subject's tokens that carry no `sid`.
    SubjectWithoutSession(Arc<str>),
}

/// How far a revocation reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// For subjects, in seconds since the Unix epoch.
    issued_before: u64,
    until: u64,
}

impl Source {
    pub(super) const ALL: [Self; 4] = [Self::Api, Self::File, Self::Logout, Self::SecurityEvent];
}

impl What {
    /// Everything by which a caller's token can be revoked.
    pub(super) fn all_of(caller: &Principal) -> impl Iterator<Item = Self> {
        let subject = caller.subject.clone();
        let session = match caller.session_id.clone() {
            Some(sid) => Self::Session(sid),
            None => Self::SubjectWithoutSession(subject.clone()),
        };
        caller.token_id.clone().map(Self::Token).into_iter().chain([session, Self::Subject(subject)])
    }
}

impl Entry {
    pub(super) fn counts(&self, now: u64) -> bool {
        now < self.until
    }

    pub(super) fn covers(&self, what: &What, caller: &Principal) -> bool {
        // A token that does not say when it was issued cannot show that it is newer.
        !matches!(what, What::Subject(_) | What::SubjectWithoutSession(_))
            || caller.issued_at.is_none_or(|issued_at| issued_at < self.issued_before)
    }

    /// With what was said before or beside it: a later word about the same takes nothing back.
    pub(super) fn and(self, known: Option<&Self>) -> Self {
        known.map_or(self, |known| Self {
            issued_before: known.issued_before.max(self.issued_before),
            until: known.until.max(self.until),
        })
    }
}

impl Revocation {
    /// What somebody says now.
    pub(super) fn read(&self, source: Source, now: u64) -> Result<(Key, Entry), RevocationError> {
        let until = match source {
            Source::File => self.until.unwrap_or(NEVER),
            _ => self.until.unwrap_or(now + KEPT.as_secs()).min(now + KEPT_AT_MOST.as_secs()),
        };
        // A token issued within the very second may be the newer one; the older is the safer guess.
        let issued_before = self.issued_before.unwrap_or(now + 1);
        Ok((self.key(source)?, Entry { issued_before, until }))
    }

    /// What somebody said some time ago. Its end was bounded then; bounded by a clock that is still wrong when a machine
    /// starts it would be over too early.
    pub(super) fn recall(&self, source: Source, now: u64) -> Result<(Key, Entry), RevocationError> {
        let (key, entry) = self.read(source, now)?;
        Ok((key, Entry { until: self.until.unwrap_or(entry.until), ..entry }))
    }

    fn key(&self, source: Source) -> Result<Key, RevocationError> {
        let what = match (&self.jti, &self.sid, &self.sub, self.without_sid, self.issued_before) {
            (Some(jti), None, None, false, None) => What::Token(jti.as_str().into()),
            (None, Some(sid), None, false, None) => What::Session(sid.as_str().into()),
            (None, None, Some(sub), false, _) => What::Subject(sub.as_str().into()),
            (None, None, Some(sub), true, _) => What::SubjectWithoutSession(sub.as_str().into()),
            _ => return Err(RevocationError::Unclear),
        };
        let issuer = self.issuer.as_ref().map(|issuer| issuer.parse::<Issuer>());
        let issuer = issuer.transpose().map_err(|error| RevocationError::Issuer(error.to_string()))?;
        Ok(Key { source, issuer, what })
    }
}

impl Key {
    /// As it can be sent again.
    pub(super) fn write(&self, entry: Entry) -> Revocation {
        let issuer = self.issuer.as_ref().map(|issuer| issuer.as_str().to_owned());
        let until = Some(entry.until).filter(|until| *until != NEVER);
        let text = |name: &Arc<str>| Some(name.to_string());
        let nothing = Revocation { issuer, until, ..Revocation::default() };
        let issued_before = Some(entry.issued_before);
        match &self.what {
            What::Token(jti) => Revocation { jti: text(jti), ..nothing },
            What::Session(sid) => Revocation { sid: text(sid), ..nothing },
            What::Subject(sub) => Revocation { sub: text(sub), issued_before, ..nothing },
            What::SubjectWithoutSession(sub) => {
                Revocation { sub: text(sub), without_sid: true, issued_before, ..nothing }
            }
        }
    }
}
