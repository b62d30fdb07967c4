//! Guards with what stands behind them.

use std::sync::Arc;

use bearward_gateway::address::TrustedProxies;
use bearward_gateway::browser::BrowserRules;
use bearward_gateway::documents::JWKS_PATH;
use bearward_gateway::identity::{Assertion, Identity};
use bearward_gateway::sessions::Sessions;
use bearward_gateway::signing::{SigningError, SigningKeys};
use bearward_gateway::{Inbound, Provider};
use bearward_guard::metadata::Description;
use bearward_guard::{Guard, GuardSettings as GuardParts, ScopePolicy};
use bearward_observe::AuditTrail;
use bearward_secrets::SecretRef;
use http::HeaderName;

use super::{Builder, ComposeError};
use crate::config::settings::GuardSettings;

/// What all guards share.
pub(super) struct Shared<'a> {
    pub(super) providers: &'a [Arc<Provider>],
    pub(super) keys: Option<&'a Arc<SigningKeys>>,
    pub(super) audit: Option<AuditTrail>,
}

impl Builder<'_> {
    /// The keys that sign what this server says; `None` when it signs nothing.
    pub(super) fn signing_keys(&self) -> Result<Option<Arc<SigningKeys>>, ComposeError> {
        let signs = |guard: &GuardSettings| guard.signs_metadata || guard.identity.assertion.is_some();
        if !self.settings.guards.iter().any(signs) {
            return Ok(None);
        }
        let what = "identity keys";
        let failed = |error: SigningError| ComposeError::Setting(format!("{what}: {error}"));
        let clock = self.around.clock.clone();
        let references = &self.settings.server.identity_keys;
        if references.is_empty() {
            return SigningKeys::own(clock).map(Arc::new).map(Some).map_err(failed);
        }
        let read = |reference: &SecretRef| self.around.secrets.known(reference);
        let secrets: Vec<_> = references
            .iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|source| ComposeError::Secret { what: what.into(), source })?;
        let pems = secrets.iter().map(|secret| secret.expose().as_bytes());
        SigningKeys::given(pems, clock).map(Arc::new).map(Some).map_err(failed)
    }

    pub(super) fn guard(&self, guard: &GuardSettings, shared: &Shared<'_>) -> Inbound {
        let issuers = guard.issuers.iter().map(|issuer| self.issuer(issuer)).collect();
        let parts = GuardParts {
            name: guard.resource.as_str().into(),
            resource: guard.resource.clone(),
            realm: guard.realm.clone(),
            scopes: ScopePolicy::new(
                guard.required_scopes.clone(),
                guard.supported_scopes.clone(),
                guard.implied_scopes.clone(),
            ),
            policy: guard.policy.clone(),
            revocations: self.revocations.clone(),
            limits: guard.limits,
            mode: guard.mode,
            cache_ttl: guard.cache_ttl,
            cache_entries: guard.cache_entries,
            pre_provisioned: guard.pre_provisioned,
            description: self.description(guard),
        };
        let named =
            |name: &String| shared.providers.iter().find(|provider| *provider.name == **name).cloned();
        let built =
            Arc::new(Guard::new(parts, issuers, self.around.clock.clone(), self.around.observer.clone()));
        self.listen_to(&built, guard);
        let server = &self.settings.server;
        let public = server.public_url.iter().chain([&guard.resource]);
        let origins = public.clone().map(|url| url.origin().to_owned()).chain(guard.allowed_origins.clone());
        let hosts = public.filter_map(|url| url.origin().split_once("://")).map(|(_, host)| host.to_owned());
        let is_https = guard.resource.as_str().starts_with("https://");
        Inbound {
            guard: built,
            browser: BrowserRules {
                origins: origins.collect(),
                hosts: hosts.chain(server.allowed_hosts.clone()).collect(),
                on_loopback: server.listen.ip().is_loopback(),
            },
            upstream: guard.upstream.clone(),
            provider: guard.provider.as_ref().and_then(named),
            proxies: TrustedProxies(server.trusted_proxies.clone()),
            reserved: self.reserved().and(self.identity_headers()),
            identity: self.identity(guard, shared.keys),
            audit: shared.audit.clone(),
            revisions: guard.revisions,
            max_body: guard.max_body,
            stream_grace: guard.stream_grace,
            proto: if is_https { "https" } else { "http" },
            sessions: Sessions::new(),
            forwarder: self.forwarder.clone(),
        }
    }

    fn description(&self, guard: &GuardSettings) -> Description {
        let origin = guard.resource.origin();
        let jwks_uri = guard.signs_metadata.then(|| format!("{origin}{JWKS_PATH}"));
        Description { jwks_uri, ..guard.description.clone() }
    }

    fn identity(&self, guard: &GuardSettings, keys: Option<&Arc<SigningKeys>>) -> Identity {
        let public = self.settings.server.public_url.as_ref();
        let assertion = guard.identity.assertion.as_ref().zip(keys).map(|(assertion, keys)| Assertion {
            keys: keys.clone(),
            issuer: public.map_or_else(|| guard.resource.origin().to_owned(), |url| url.as_str().to_owned()),
            audience: assertion.audience.clone(),
            lifetime: assertion.lifetime,
        });
        Identity { headers: guard.identity.headers.clone(), assertion }
    }

    /// Headers by which some upstream of this process is told who calls: no caller may set any of them at any guard.
    fn identity_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.settings.guards.iter().flat_map(|guard| guard.identity.headers.iter().map(|(name, _)| name))
    }
}
