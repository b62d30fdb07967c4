//! Binds MCP sessions of the older revisions to the caller that opened them (SPEC PX-7, RS-9).
//!
//! A session id is a name, not a credential: whoever else presents it is told that there is no such
//! session. An id that this process has not seen opened is treated alike, which after a restart makes a
//! client open a new session, as the transport tells it to on 404.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bearward_guard::fields::{self, Several};
use bearward_token::{Fingerprint, Issuer, Principal};
use http::{HeaderMap, HeaderName, HeaderValue};
use moka::policy::EvictionPolicy;

/// The header that carries the id.
pub const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// Most sessions remembered by one guard; the one that was used longest ago is forgotten first.
const MAX_SESSIONS: u64 = 100_000;
/// Most sessions of one owner: nobody pushes out the sessions of others.
const MAX_PER_OWNER: usize = 1_000;
/// Most owners whose sessions are counted.
const MAX_OWNERS: u64 = 100_000;
/// A session that nobody used for so long is forgotten.
const IDLE: Duration = Duration::from_secs(24 * 3600);

/// The open sessions of one guard.
#[derive(Debug)]
pub struct Sessions {
    /// By the id's fingerprint: fixed size, whatever length an upstream chose.
    owners: moka::sync::Cache<Fingerprint, Owner>,
    /// Each owner's ids, oldest first.
    opened: moka::sync::Cache<Owner, Arc<Mutex<VecDeque<Fingerprint>>>>,
}

/// Whose a session is: the same person for the same organization by the same program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Owner {
    issuer: Issuer,
    subject: Arc<str>,
    client: Option<Arc<str>>,
    tenant: Option<Arc<str>>,
}

impl Sessions {
    /// None open.
    pub fn new() -> Self {
        let owners = moka::sync::Cache::builder().max_capacity(MAX_SESSIONS).time_to_idle(IDLE);
        let opened = moka::sync::Cache::builder().max_capacity(MAX_OWNERS).time_to_idle(IDLE);
        // By recent use: the default policy would rather forget newcomers, whose next request then fails.
        Self {
            owners: owners.eviction_policy(EvictionPolicy::lru()).build(),
            opened: opened.eviction_policy(EvictionPolicy::lru()).build(),
        }
    }

    /// True when the request names no session, or one of this caller's.
    pub fn allows(&self, headers: &HeaderMap, caller: &Principal) -> bool {
        match fields::only(headers, &MCP_SESSION_ID) {
            Ok(None) => true,
            Ok(Some(id)) => id
                .to_str()
                .ok()
                .and_then(|id| self.owners.get(&Fingerprint::of(id)))
                .is_some_and(|owner| owner == Owner::of(caller)),
            Err(Several) => false,
        }
    }

    /// Remembers the caller as the owner of a session that an upstream's answer opens.
    pub fn opened(&self, answer: &HeaderMap, caller: &Principal) {
        let Some(id) = answer.get(MCP_SESSION_ID).and_then(|id| id.to_str().ok()) else { return };
        let (id, owner) = (Fingerprint::of(id), Owner::of(caller));
        // An id once bound stays with its first owner, also when an upstream repeats it in an answer to another.
        if self.owners.entry(id).or_insert(owner.clone()).is_fresh() {
            self.count(id, owner);
        }
    }

    fn count(&self, id: Fingerprint, owner: Owner) {
        let opened = self.opened.get_with(owner, Arc::default);
        let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.push_back(id);
        if opened.len() > MAX_PER_OWNER
            && let Some(oldest) = opened.pop_front()
        {
            self.owners.invalidate(&oldest);
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
            tenant: principal.tenant.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(subject: &str, tenant: Option<&str>) -> Principal {
        Principal {
            issuer: "https://idp.example".parse().unwrap(),
            subject: subject.into(),
            client: None,
            tenant: tenant.map(Arc::from),
            scopes: Default::default(),
            roles: Vec::new(),
            session_id: None,
            token_id: None,
            expires_at: 0,
            issued_at: None,
            claims: Arc::default(),
        }
    }

    fn named(id: &str) -> HeaderMap {
        HeaderMap::from_iter([(MCP_SESSION_ID, id.parse().unwrap())])
    }

    // SPEC PX-7
    #[test]
    fn a_session_is_for_the_caller_and_the_tenant_that_opened_it() {
        let sessions = Sessions::new();
        let alice = caller("alice", Some("acme"));
        sessions.opened(&named("1"), &alice);
        assert!(sessions.allows(&named("1"), &alice) && sessions.allows(&HeaderMap::new(), &alice));
        for other in [caller("bob", Some("acme")), caller("alice", Some("other")), caller("alice", None)] {
            assert!(!sessions.allows(&named("1"), &other), "{other:?}");
        }
        assert!(!sessions.allows(&named("2"), &alice), "never opened");
        let mut twice = named("1");
        twice.append(MCP_SESSION_ID, "1".parse().unwrap());
        assert!(!sessions.allows(&twice, &alice));
        sessions.opened(&named("1"), &caller("bob", None));
        assert!(sessions.allows(&named("1"), &alice), "an id stays with its first owner");
        sessions.closed(&"1".parse().unwrap());
        assert!(!sessions.allows(&named("1"), &alice));
    }

    #[test]
    fn whoever_opens_very_many_loses_its_own_oldest_and_nobody_elses() {
        let sessions = Sessions::new();
        let (alice, mallory) = (caller("alice", None), caller("mallory", None));
        sessions.opened(&named("alice"), &alice);
        for n in 0..=MAX_PER_OWNER {
            sessions.opened(&named(&n.to_string()), &mallory);
        }
        assert!(!sessions.allows(&named("0"), &mallory));
        assert!(sessions.allows(&named("1"), &mallory) && sessions.allows(&named("alice"), &alice));
    }

    #[test]
    fn when_all_room_is_taken_a_new_session_is_remembered_still() {
        let sessions = Sessions::new();
        for n in 0..MAX_SESSIONS {
            sessions.opened(&named(&n.to_string()), &caller(&format!("user{}", n % 1000), None));
        }
        sessions.owners.run_pending_tasks();
        let alice = caller("alice", None);
        for n in 0..100 {
            sessions.opened(&named(&format!("new{n}")), &alice);
            sessions.owners.run_pending_tasks();
        }
        assert!((0..100).all(|n| sessions.allows(&named(&format!("new{n}")), &alice)));
    }
}
