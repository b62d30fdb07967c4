//! Binds MCP sessions of the older revisions to the caller that opened them (SPEC PX-7, RS-9).
//!
//! A session id is a name, not a credential: whoever else presents it is told that there is no such
//! session. An id that this process has not seen opened is treated alike, which after a restart makes a
//! client open a new session, as the transport tells it to on 404.

use std::sync::Arc;
use std::time::Duration;

use bearward_guard::Verified;
use bearward_token::{Fingerprint, Issuer, Principal};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries the id.
pub const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// Most sessions remembered by one guard.
const MAX_SESSIONS: u64 = 100_000;
/// A session that nobody used for so long is forgotten.
const IDLE: Duration = Duration::from_secs(24 * 3600);

/// The open sessions of one guard.
#[derive(Debug)]
pub struct Sessions {
    /// By the id's fingerprint: fixed size, whatever length an upstream chose.
    owners: moka::sync::Cache<Fingerprint, Owner>,
}

#[derive(Debug, Clone, PartialEq)]
struct Owner {
    issuer: Issuer,
    subject: Arc<str>,
    client: Option<Arc<str>>,
}

impl Sessions {
    /// None open.
    pub fn new() -> Self {
        Self { owners: moka::sync::Cache::builder().max_capacity(MAX_SESSIONS).time_to_idle(IDLE).build() }
    }

    /// True when the request names no session, or one of this caller's.
    pub fn allows(&self, headers: &HeaderMap, caller: &Verified) -> bool {
        let mut ids = headers.get_all(MCP_SESSION_ID).iter();
        match (ids.next(), ids.next()) {
            (None, _) => true,
            (Some(id), None) => id
                .to_str()
                .ok()
                .and_then(|id| self.owners.get(&Fingerprint::of(id)))
                .is_some_and(|owner| owner == Owner::of(caller)),
            (Some(_), Some(_)) => false,
        }
    }

    /// Remembers the caller as the owner of a session that an upstream's answer opens.
    pub fn opened(&self, answer: &HeaderMap, caller: &Verified) {
        if let Some(id) = answer.get(MCP_SESSION_ID).and_then(|id| id.to_str().ok()) {
            // An id once bound stays with its first owner, also when an upstream repeats it in an answer to another.
            self.owners.entry(Fingerprint::of(id)).or_insert_with(|| Owner::of(caller));
        }
    }

    /// Forgets a session that its owner has ended.
    pub fn closed(&self, id: &HeaderValue) {
        if let Ok(id) = id.to_str() {
            self.owners.invalidate(&Fingerprint::of(id));
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new()
    }
}

impl Owner {
    fn of(principal: &Principal) -> Self {
        Self {
            issuer: principal.issuer.clone(),
            subject: principal.subject.clone(),
            client: principal.client.clone(),
        }
    }
}
