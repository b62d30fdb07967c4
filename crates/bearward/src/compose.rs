//! Builds the services out of settings: the one place where they meet.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use bearward_console::Console;
use bearward_gateway::address::TrustedProxies;
use bearward_gateway::browser::BrowserRules;
use bearward_gateway::headers::Reserved;
use bearward_gateway::provider::TenantHeaders;
use bearward_gateway::sessions::Sessions;
use bearward_gateway::target::Target;
use bearward_gateway::upstream::UpstreamClient;
use bearward_gateway::{Egress, Forwarder, Inbound, Provider, Routes};
use bearward_guard::introspection::{ClerkVerify, Introspection};
use bearward_guard::loaders::{Discovered, FromFile, FromUrl, Inline};
use bearward_guard::opaque::Describe;
use bearward_guard::security_event::{Receiver, Sender};
use bearward_guard::{
    Guard, GuardSettings as GuardParts, KeyLoader, KeySource, OpaqueTokens, Revocations, ScopePolicy,
    TrustedIssuer,
};
use bearward_issuer::{
    Credential, CredentialError, CredentialSource, Discovery, Fetch, HttpFetch, KnownMetadata,
    SharedCredential,
};
use bearward_observe::{Condition, Health, Observer, Probe};
use bearward_secrets::{SecretError, SecretRef, Secrets};
use bearward_supply::{ClientCredentials, Handle, TenantSigner, TokenManager};
use bearward_token::{Clock, Issuer};

use crate::config::settings::{
    AskBy, GuardSettings, IssuerSettings, KeysFrom, ListenAddress, OpaqueSettings, ProviderSettings, Settings,
};
use crate::revocation_file::RevocationFile;

/// Everything that runs, ready to serve.
pub struct Composition {
    /// What is guarded, in the order of the configuration.
    pub guards: Vec<Arc<Guard>>,
    /// The guarded side.
    pub routes: Arc<Routes>,
    /// The sidecar.
    pub egress: Option<Arc<Egress>>,
    /// The admin pages.
    pub console: Console,
    /// Owns the tokens; ends its tasks when dropped.
    pub manager: Arc<TokenManager>,
}

/// What services need from outside.
#[derive(Clone)]
pub struct Surroundings {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where events go.
    pub observer: Observer,
    /// Where secrets come from.
    pub secrets: Secrets,
    /// Decides every jitter.
    pub seed: u64,
}

/// Why the services cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A secret that is needed at once.
    #[error("the secret for `{what}`: {source}")]
    Secret {
        /// What it is for.
        what: String,
        /// Why.
        source: SecretError,
    },
    /// TLS cannot be set up on this machine.
    #[error("TLS cannot be set up on this machine: {0}")]
    Tls(String),
    /// Something that the configuration should have refused.
    #[error("{0}")]
    Setting(String),
}

/// Builds everything. Key and token fetching begins at once, in the background.
///
/// # Errors
/// As [`ComposeError`] says. An authorization server that is down is no error (HARD 18).
pub fn compose(settings: &Settings, around: &Surroundings) -> Result<Composition, ComposeError> {
    let tls = |error: &dyn std::fmt::Display| ComposeError::Tls(error.to_string());
    let fetch: Arc<dyn Fetch> = Arc::new(HttpFetch::new().map_err(|error| tls(&error))?);
    let forwarder = Forwarder {
        upstream: UpstreamClient::new().map_err(|error| tls(&error))?,
        clock: around.clock.clone(),
        observer: around.observer.clone(),
    };
    let manager = Arc::new(TokenManager::new(around.clock.clone(), around.observer.clone(), around.seed));
    let health = Health::default();
    let revocations = Arc::new(Revocations::new(around.clock.clone()));
    let (keys, senders) = (RefCell::default(), RefCell::default());
    let builder = Builder { settings, around, fetch, forwarder, manager, health, keys, revocations, senders };
    if let Some(path) = &settings.revocation_file {
        let file = RevocationFile::watch(path.clone(), builder.revocations.clone(), around.clock.clone());
        builder.health.register(Arc::new(file));
    }
    let providers = settings.providers.iter().map(|p| builder.provider(p)).collect::<Result<Vec<_>, _>>()?;
    let guards = settings.guards.iter().map(|guard| builder.guard(guard, &providers)).collect::<Vec<_>>();
    let events = Receiver::new(builder.senders.take(), builder.revocations.clone(), around.clock.clone());
    let admin_on_loopback = settings.server.admin.ip().is_loopback();
    Ok(Composition {
        guards: guards.iter().map(|inbound| inbound.guard.clone()).collect(),
        routes: Arc::new(Routes::new(guards, events)),
        egress: settings.server.egress.as_ref().map(|_| Arc::new(builder.egress(&providers))),
        console: Console {
            observer: around.observer.clone(),
            health: builder.health,
            revocations: builder.revocations,
            browser: BrowserRules { origins: Vec::new(), hosts: Vec::new(), on_loopback: admin_on_loopback },
        },
        manager: builder.manager,
    })
}

struct Builder<'a> {
    settings: &'a Settings,
    around: &'a Surroundings,
    fetch: Arc<dyn Fetch>,
    forwarder: Forwarder,
    manager: Arc<TokenManager>,
    health: Health,
    /// Key sources by issuer and place: guards that trust the same share one, and one fetch.
    keys: RefCell<HashMap<(Issuer, KeysFrom), Arc<KeySource>>>,
    revocations: Arc<Revocations>,
    /// Issuers that tell of sessions that have ended.
    senders: RefCell<Vec<Sender>>,
}

impl Builder<'_> {
    fn provider(&self, provider: &ProviderSettings) -> Result<Arc<Provider>, ComposeError> {
        let grant = ClientCredentials {
            metadata: self.metadata(&provider.authority),
            token_endpoint: provider.token_endpoint.clone(),
            client: provider.client_id.clone(),
            auth: provider.client_auth,
            credential: self.secret(&provider.client_secret),
            audience: provider.audience.clone(),
            resource: provider.resource.clone(),
            scopes: provider.scopes.clone(),
            fetch: self.fetch.clone(),
            clock: self.around.clock.clone(),
        };
        let tokens = self.manager.handle(&provider.name, &grant.key(), Arc::new(grant));
        tokens.prefetch();
        self.health.register(Arc::new(ProviderProbe {
            handle: tokens.clone(),
            observer: self.around.observer.clone(),
        }));
        let target =
            Target::new(provider.url.as_str()).map_err(|error| ComposeError::Setting(error.to_string()))?;
        let tenant = provider.tenant_headers.as_ref().map(|tenant| {
            let what = || format!("tenantHeaders of provider {}", provider.name);
            let secret = self.around.secrets.read(&tenant.secret);
            let secret = secret.map_err(|source| ComposeError::Secret { what: what(), source })?;
            let signer = TenantSigner::new(&tenant.prefix, &secret);
            let signer = signer.map_err(|error| ComposeError::Setting(error.to_string()))?;
            Ok::<_, ComposeError>(TenantHeaders { signer, tenant: tenant.tenant.clone() })
        });
        Ok(Arc::new(Provider {
            name: provider.name.as_str().into(),
            target,
            tokens,
            tenant: tenant.transpose()?,
        }))
    }

    fn guard(&self, guard: &GuardSettings, providers: &[Arc<Provider>]) -> Inbound {
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
        };
        let named = |name: &String| providers.iter().find(|provider| *provider.name == **name).cloned();
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
            reserved: self.reserved(),
            max_body: guard.max_body,
            stream_grace: guard.stream_grace,
            proto: if is_https { "https" } else { "http" },
            sessions: Sessions::new(),
            forwarder: self.forwarder.clone(),
        }
    }

    fn issuer(&self, issuer: &IssuerSettings) -> TrustedIssuer {
        TrustedIssuer {
            issuer: issuer.issuer.clone(),
            keys: issuer.keys.as_ref().map(|from| self.keys(&issuer.issuer, from)),
            opaque: issuer.opaque.as_ref().map(|opaque| self.opaque(&issuer.issuer, opaque)),
            algorithms: issuer.algorithms.clone(),
            expectations: issuer.expectations.clone(),
        }
    }

    /// Remembers which issuers tell of sessions that have ended; one that several guards trust once.
    fn listen_to(&self, guard: &Guard, settings: &GuardSettings) {
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

    fn keys(&self, issuer: &Issuer, from: &KeysFrom) -> Arc<KeySource> {
        let place = (issuer.clone(), from.clone());
        if let Some(keys) = self.keys.borrow().get(&place) {
            return keys.clone();
        }
        let loader: Arc<dyn KeyLoader> = match from {
            KeysFrom::Discovery => {
                Arc::new(Discovered { metadata: self.metadata(issuer), fetch: self.fetch.clone() })
            }
            KeysFrom::Url(url) => Arc::new(FromUrl { url: url.clone(), fetch: self.fetch.clone() }),
            KeysFrom::File(path) => Arc::new(FromFile { path: path.clone() }),
            KeysFrom::Inline(document) => Arc::new(Inline { document: document.clone() }),
        };
        let keys = Arc::new(KeySource::start(issuer.clone(), loader, self.around.clock.clone()));
        self.health.register(Arc::new(IssuerProbe(keys.clone())));
        self.keys.borrow_mut().insert(place, keys.clone());
        keys
    }

    fn opaque(&self, issuer: &Issuer, settings: &OpaqueSettings) -> Arc<OpaqueTokens> {
        let (credential, fetch) = (self.secret(&settings.secret), self.fetch.clone());
        let describe: Arc<dyn Describe> = match &settings.by {
            AskBy::Introspection { endpoint, client, auth } => Arc::new(Introspection {
                metadata: self.metadata(issuer),
                endpoint: endpoint.clone(),
                client: client.clone(),
                auth: *auth,
                credential,
                fetch,
            }),
            AskBy::Clerk { api } => Arc::new(ClerkVerify { api: api.clone(), secret_key: credential, fetch }),
        };
        let (prefixes, clock) = (settings.prefixes.clone(), self.around.clock.clone());
        let tokens = Arc::new(OpaqueTokens::new(issuer.clone(), prefixes, describe, clock));
        self.health.register(Arc::new(OpaqueProbe(tokens.clone())));
        tokens
    }

    fn secret(&self, reference: &SecretRef) -> SharedCredential {
        Arc::new(ReadEachTime { reference: reference.clone(), secrets: self.around.secrets.clone() })
    }

    fn metadata(&self, issuer: &Issuer) -> KnownMetadata {
        let clock = &self.around.clock;
        KnownMetadata::new(issuer.clone(), Discovery::new(self.fetch.clone(), clock.clone()), clock.clone())
    }

    fn egress(&self, providers: &[Arc<Provider>]) -> Egress {
        let on_loopback = match &self.settings.server.egress {
            Some(ListenAddress::Tcp(address)) => address.ip().is_loopback(),
            _ => false,
        };
        let hosts = self.settings.server.allowed_hosts.clone();
        let browser = BrowserRules { origins: Vec::new(), hosts, on_loopback };
        Egress::new(providers.iter().cloned(), browser, self.reserved(), self.forwarder.clone())
    }

    /// Headers that some provider of this process signs: no caller may set any of them anywhere.
    fn reserved(&self) -> Reserved {
        let tenant = self.settings.providers.iter().filter_map(|provider| provider.tenant_headers.as_ref());
        Reserved::new(tenant.map(|tenant| tenant.prefix.as_str()))
    }
}

/// A client's secret, read anew for every request: a file that changes is used at once.
#[derive(Debug)]
struct ReadEachTime {
    reference: SecretRef,
    secrets: Secrets,
}

impl CredentialSource for ReadEachTime {
    fn current(&self) -> Result<Credential, CredentialError> {
        let secret = self.secrets.read(&self.reference);
        let secret = secret.map_err(|error| CredentialError(error.to_string()))?;
        Ok(Credential { secret })
    }
}

/// Readiness of an issuer's keys.
struct IssuerProbe(Arc<KeySource>);

impl Probe for IssuerProbe {
    fn name(&self) -> String {
        format!("issuer {}", self.0.issuer())
    }

    fn condition(&self) -> Condition {
        self.0.condition()
    }
}

/// Whether opaque tokens can be asked about.
struct OpaqueProbe(Arc<OpaqueTokens>);

impl Probe for OpaqueProbe {
    fn name(&self) -> String {
        format!("opaque tokens of {}", self.0.issuer())
    }

    fn condition(&self) -> Condition {
        self.0.condition()
    }
}

/// Readiness of a provider's token; keeps the gauge of its remaining life current along the way.
struct ProviderProbe {
    handle: Handle,
    observer: Observer,
}

impl Probe for ProviderProbe {
    fn name(&self) -> String {
        self.handle.name().to_string()
    }

    fn condition(&self) -> Condition {
        let left = self.handle.expires_in().unwrap_or_default();
        self.observer.metrics().set_expires_in(self.handle.name(), left);
        Probe::condition(&self.handle)
    }
}
