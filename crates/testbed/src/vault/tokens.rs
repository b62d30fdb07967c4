//! Tokens with leases, and who may have them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Builder;
use crate::random_id;

/// A role of the method `approle`.
#[derive(Debug)]
pub(super) struct AppRole {
    pub(super) secret_ids: Vec<String>,
    pub(super) policies: Vec<String>,
}

/// A role of the method `kubernetes`.
#[derive(Debug)]
pub(super) struct KubernetesRole {
    pub(super) jwt: String,
    pub(super) policies: Vec<String>,
}

/// Every token that was not revoked.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    all: BTreeMap<String, Token>,
    refuses_renewals: bool,
}

/// Times are of the monotonic clock.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) policies: Vec<String>,
    pub(super) is_renewable: bool,
    expires: Duration,
    ends_at_last: Duration,
}

impl Tokens {
    pub(super) fn issue(&mut self, settings: &Builder, policies: Vec<String>) -> String {
        let now = settings.clock.monotonic();
        let token = format!("hvs.{}", random_id());
        let ends_at_last = now + settings.longest_lease;
        let expires = (now + settings.lease).min(ends_at_last);
        let is_renewable = settings.is_renewable;
        self.all.insert(token.clone(), Token { policies, is_renewable, expires, ends_at_last });
        token
    }

    pub(super) fn find(&self, token: &str, now: Duration) -> Option<&Token> {
        self.all.get(token).filter(|token| token.expires > now)
    }

    /// `None` for a token that is not renewed.
    pub(super) fn renew(&mut self, token: &str, settings: &Builder) -> Option<&Token> {
        let now = settings.clock.monotonic();
        if self.refuses_renewals {
            return None;
        }
        let token = self.all.get_mut(token).filter(|token| token.expires > now && token.is_renewable)?;
        token.expires = (now + settings.lease).min(token.ends_at_last);
        Some(token)
    }

    /// False for a token that was none any more.
    pub(super) fn revoke(&mut self, token: &str, now: Duration) -> bool {
        self.all.remove(token).is_some_and(|token| token.expires > now)
    }

    /// How many would be let in.
    pub(super) fn alive(&self, now: Duration) -> usize {
        self.all.values().filter(|token| token.expires > now).count()
    }

    pub(super) fn refuse_renewals(&mut self) {
        self.refuses_renewals = true;
    }
}

impl Token {
    pub(super) fn seconds_left(&self, now: Duration) -> u64 {
        self.expires.saturating_sub(now).as_secs()
    }

    /// Policies are paths that may be read.
    pub(super) fn may_read(&self, path: &str) -> bool {
        self.policies.iter().any(|policy| match policy.strip_suffix('*') {
            Some(below) => path.starts_with(below),
            None => path == policy,
        })
    }
}
