//! Trusted issuers: their keys, their opaque tokens, what they tell of sessions that have ended.

use std::sync::Arc;

use bearward_guard::introspection::{ClerkVerify, Introspection};
use bearward_guard::loaders::{Discovered, FromFile, FromUrl, Inline};
use bearward_guard::opaque::Describe;
use bearward_guard::security_event::Sender;
use bearward_guard::{Guard, KeyLoader, KeySource, OpaqueTokens, TrustedIssuer};
use bearward_token::Issuer;

use super::Builder;
use super::probes::{IssuerProbe, OpaqueProbe};
use crate::config::settings::{AskBy, GuardSettings, IssuerSettings, KeysFrom, OpaqueSettings};

impl Builder<'_> {
    pub(super) fn issuer(&self, issuer: &IssuerSettings) -> TrustedIssuer {
        TrustedIssuer {
            issuer: issuer.issuer.clone(),
            keys: issuer.keys.as_ref().map(|from| self.keys(&issuer.issuer, from)),
            opaque: issuer.opaque.as_ref().map(|opaque| self.opaque(&issuer.issuer, opaque)),
            algorithms: issuer.algorithms.clone(),
            expectations: issuer.expectations.clone(),
        }
    }

    /// Remembers which issuers tell of sessions that have ended; one that several guards trust once.
    pub(super) fn listen_to(&self, guard: &Guard, settings: &GuardSettings) {
        let mut senders = self.senders.borrow_mut();
        for (issuer, settings) in guard.issuers().iter().zip(&settings.issuers) {
            let known = senders.iter_mut().find(|sender| sender.issuer.issuer == issuer.issuer);
            let (logout, events) = (settings.logout_audiences.iter(), settings.event_audiences.iter());
            if let Some(known) = known {
                known.logout_audiences.extend(logout.cloned());
                known.event_audiences.extend(events.cloned());
            } else if logout.len() + events.len() > 0 {
                senders.push(Sender {
                    issuer: issuer.clone(),
                    logout_audiences: logout.cloned().collect(),
                    event_audiences: events.cloned().collect(),
                });
            }
        }
    }

    pub(super) fn keys(&self, issuer: &Issuer, from: &KeysFrom) -> Arc<KeySource> {
        let place = (issuer.clone(), from.clone());
        if let Some(keys) = self.keys.borrow().get(&place) {
            return keys.clone();
        }
        let loader: Arc<dyn KeyLoader> = match from {
            KeysFrom::Discovery => {
                Arc::new(Discovered { metadata: self.metadata(issuer), fetch: self.fetch.clone() })
            }
            KeysFrom::Url(url) => {
                Arc::new(FromUrl { url: url.clone(), credential: None, fetch: self.fetch.clone() })
            }
            KeysFrom::Protected(url, secret) => {
                let credential = Some(self.secret(secret));
                Arc::new(FromUrl { url: url.clone(), credential, fetch: self.fetch.clone() })
            }
            KeysFrom::File(path) => Arc::new(FromFile { path: path.clone() }),
            KeysFrom::Inline(document) => Arc::new(Inline { document: document.clone() }),
        };
        let keys = Arc::new(KeySource::start(issuer.clone(), loader, self.around.clock.clone()));
        self.health.register(Arc::new(IssuerProbe(keys.clone())));
        self.keys.borrow_mut().insert(place, keys.clone());
        keys
    }

    fn opaque(&self, issuer: &Issuer, settings: &OpaqueSettings) -> Arc<OpaqueTokens> {
        let describe: Arc<dyn Describe> = match &settings.by {
            AskBy::Introspection { endpoint, client } => Arc::new(Introspection {
                metadata: self.metadata(issuer),
                endpoint: endpoint.clone(),
                client: self.client(client),
            }),
            AskBy::Clerk { api, secret_key } => Arc::new(ClerkVerify {
                api: api.clone(),
                secret_key: self.secret(secret_key),
                fetch: self.fetch.clone(),
            }),
        };
        let (prefixes, clock) = (settings.prefixes.clone(), self.around.clock.clone());
        let tokens = Arc::new(OpaqueTokens::new(issuer.clone(), prefixes, describe, clock));
        let credential = settings.by.secret().map_or_else(super::no_secret, |secret| self.secret(secret));
        self.health.register(Arc::new(OpaqueProbe { tokens: tokens.clone(), credential }));
        tokens
    }
}
