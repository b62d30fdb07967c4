//! What readiness asks of each part.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bearward_guard::{KeySource, OpaqueTokens};
use bearward_issuer::SharedCredential;
use bearward_observe::{Condition, Observer, Probe};
use bearward_secrets::Secrets;
use bearward_supply::{Exchange, Handle, Revoker};
use bearward_token::Issuer;

/// Readiness of an issuer's keys.
pub(super) struct IssuerProbe(pub(super) Arc<KeySource>);

impl Probe for IssuerProbe {
    fn name(&self) -> String {
        format!("issuer {}", self.0.issuer())
    }

    fn condition(&self) -> Condition {
        self.0.condition()
    }
}

/// Whether opaque tokens can be asked about.
pub(super) struct OpaqueProbe {
    pub(super) tokens: Arc<OpaqueTokens>,
    /// Without it nobody is answered: worth knowing before the first question.
    pub(super) credential: SharedCredential,
}

impl Probe for OpaqueProbe {
    fn name(&self) -> String {
        format!("opaque tokens of {}", self.tokens.issuer())
    }

    fn condition(&self) -> Condition {
        match self.credential.trouble() {
            None => self.tokens.condition(),
            Some(error) => Condition::Degraded { reason: error.to_string() },
        }
    }
}

/// Whether what is in stores of secrets can be looked at. What was read once serves for as long as a store fails, so
/// nothing is down by that alone.
pub(super) struct SecretsProbe(pub(super) Secrets);

impl Probe for SecretsProbe {
    fn name(&self) -> String {
        "secrets in stores".into()
    }

    fn condition(&self) -> Condition {
        let mut troubles: Vec<_> = self.0.troubles().iter().map(ToString::to_string).collect();
        // In the same order each time: a page that is looked at again should not jump.
        troubles.sort_unstable();
        match troubles.is_empty() {
            true => Condition::Ready,
            false => Condition::Degraded { reason: troubles.join("; ") },
        }
    }
}

/// Readiness of a provider's token; keeps the gauge of its remaining life current along the way.
pub(super) struct ProviderProbe {
    pub(super) handle: Handle,
    /// Who issues it, if somebody is asked for it.
    pub(super) issuer: Option<Issuer>,
    /// Tells the authorization server of logouts.
    pub(super) revoker: Option<Arc<Revoker>>,
    pub(super) breakers: Arc<Breakers>,
    pub(super) observer: Observer,
}

impl Probe for ProviderProbe {
    fn name(&self) -> String {
        self.handle.name().to_string()
    }

    fn condition(&self) -> Condition {
        let left = self.handle.expires_in().unwrap_or_default();
        self.observer.metrics().set_expires_in(self.handle.name(), left);
        if let Some(issuer) = &self.issuer {
            self.observer.metrics().set_breaker_open(issuer.as_str(), self.breakers.is_open(issuer));
        }
        let condition = Probe::condition(&self.handle);
        let waiting = self.revoker.as_ref().map_or(0, |revoker| revoker.waiting());
        match condition {
            Condition::Ready => waiting_to_be_revoked(waiting).unwrap_or(Condition::Ready),
            condition => condition,
        }
    }
}

/// Readiness of a provider whose tokens are its callers' own: there is none to be ready, only the way to them.
pub(super) struct OwnProbe {
    pub(super) name: String,
    pub(super) exchange: Exchange,
    pub(super) issuer: Issuer,
    /// Of the client that exchanges.
    pub(super) credential: SharedCredential,
    pub(super) revoker: Arc<Revoker>,
    pub(super) breakers: Arc<Breakers>,
    pub(super) observer: Observer,
}

impl Probe for OwnProbe {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn condition(&self) -> Condition {
        self.observer.metrics().set_breaker_open(self.issuer.as_str(), self.breakers.is_open(&self.issuer));
        if let Some(error) = self.credential.trouble() {
            return Condition::Degraded { reason: error.to_string() };
        }
        if self.exchange.is_left_alone() {
            let reason =
                format!("{} fails and is left alone; callers whose tokens are here go on", self.issuer);
            return Condition::Degraded { reason };
        }
        waiting_to_be_revoked(self.revoker.waiting()).unwrap_or(Condition::Ready)
    }
}

/// Readiness of a provider that gets its callers' tokens as they are.
pub(super) struct PassthroughProbe(pub(super) String);

impl Probe for PassthroughProbe {
    fn name(&self) -> String {
        self.0.clone()
    }

    fn condition(&self) -> Condition {
        Condition::Ready
    }
}

fn waiting_to_be_revoked(waiting: usize) -> Option<Condition> {
    let reason = || format!("{waiting} tokens wait to be revoked at the authorization server");
    (waiting > 0).then(|| Condition::Degraded { reason: reason() })
}

/// Which authorization servers are left alone. Each client of one has a breaker of its own, and the gauge is the
/// issuer's: it tells of any.
#[derive(Default)]
pub(super) struct Breakers(Mutex<HashMap<Issuer, Vec<IsLeftAlone>>>);

/// Whether one client of an issuer leaves it alone.
pub(super) type IsLeftAlone = Box<dyn Fn() -> bool + Send + Sync>;

impl Breakers {
    /// One more provider whose tokens `issuer` issues.
    pub(super) fn watch(&self, issuer: &Issuer, is_left_alone: IsLeftAlone) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(issuer.clone()).or_default().push(is_left_alone);
    }

    fn is_open(&self, issuer: &Issuer) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(issuer).is_some_and(|clients| clients.iter().any(|is_left_alone| is_left_alone()))
    }
}

#[cfg(test)]
mod tests;
