//! Builds the services out of settings: the one place where they meet.

mod broker;
mod guards;
mod issuers;
mod login_lock;
mod probes;
mod providers;
mod state;
mod tenant_keys;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bearward_console::{Console, Supplies};
use bearward_gateway::browser::BrowserRules;
use bearward_gateway::headers::Reserved;
use bearward_gateway::upstream::UpstreamClient;
use bearward_gateway::{Documents, Egress, Forwarder, Provider, Routes};
use bearward_guard::security_event::{Receiver, Sender};
use bearward_guard::{Guard, KeySource, Revocations};
use bearward_issuer::{
    Credential, CredentialError, CredentialSource, Discovery, Fetch, FixedCredential, HttpFetch,
    KnownMetadata, Reading, SharedCredential,
};
use bearward_observe::audit::Pseudonyms;
use bearward_observe::{AuditTrail, Health, Observer};
use bearward_secrets::{Keeping, SecretError, SecretRef, Secrets};
use bearward_store::{FolderLock, StoreError, Stores};
use bearward_supply::{Handle, TokenManager};
use bearward_token::{ClientSecret, Clock, Fingerprint, Issuer};

use crate::config::settings::{KeysFrom, ListenAddress, Settings};
use crate::revocation_file::RevocationFile;
use crate::revocation_journal::{self, JournalError, RevocationJournal};
use guards::Shared;
use probes::{Breakers, SecretsProbe};
pub use state::Sweeping;
pub use tenant_keys::TenantKey;

/// Everything that runs, ready to serve.
pub struct Composition {
    /// What is guarded, in the order of the configuration.
    pub guards: Arc<[Arc<Guard>]>,
    /// The guarded side.
    pub routes: Arc<Routes>,
    /// The sidecar.
    pub egress: Option<Arc<Egress>>,
    /// The admin pages.
    pub console: Console,
    /// Owns the tokens; ends its tasks when dropped.
    pub manager: Arc<TokenManager>,
    /// Keeps other processes from the logins that live in the keychain.
    pub logins: Vec<FolderLock>,
    /// Follow the keys of tenant headers.
    pub tenant_keys: Vec<TenantKey>,
    /// Keeps the state tidy.
    pub sweeping: Option<Sweeping>,
    /// Ends sessions that are over.
    pub sessions: Option<Sweeping>,
    /// Looks after secrets in stores on the network, where the configuration has any.
    pub keeping: Option<Keeping>,
    /// Where secrets come from; to be closed at the end.
    pub secrets: Secrets,
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
    /// How long to wait for the state while another process has it.
    pub patience: Duration,
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
    /// Decisions cannot be written down.
    #[error("the audit trail to {place} cannot be opened: {source}")]
    Audit {
        /// Where.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// What must outlive the process would not, or nobody knows what did.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What must outlive the process cannot be kept.
    #[error("the state cannot be kept: {0}")]
    State(#[from] StoreError),
    /// Something that the configuration should have refused.
    #[error("{0}")]
    Setting(String),
}

/// Builds everything. Key and token fetching begins at once, in the background; secrets in stores on the network are
/// read before, for some seconds at most.
///
/// # Errors
/// As [`ComposeError`] says. An authorization server that is down is no error (HARD 18), nor is a store of secrets
/// that is, but for what is needed at once.
pub async fn compose(settings: &Settings, around: &Surroundings) -> Result<Composition, ComposeError> {
    around.secrets.warm(settings.secrets().into_iter().map(|(_, reference)| reference)).await;
    let tls = |error: &dyn std::fmt::Display| ComposeError::Tls(error.to_string());
    let fetch: Arc<dyn Fetch> = Arc::new(HttpFetch::new().map_err(|error| tls(&error))?);
    let forwarder = Forwarder {
        upstream: UpstreamClient::new().map_err(|error| tls(&error))?,
        clock: around.clock.clone(),
        observer: around.observer.clone(),
    };
    let manager = Arc::new(TokenManager::new(around.clock.clone(), around.observer.clone(), around.seed));
    let health = Health::default();
    // Before the journal, which may stand in the same folder.
    let (stores, sweeping) = state::open(settings, around).await?;
    let revocations = Revocations::new(around.clock.clone());
    let revocations = Arc::new(match &settings.revocation.journal {
        Some(path) => revocation_journal::open(path, revocations)?,
        None => revocations,
    });
    let logins = login_lock::take_all(settings, around).await?;
    let (keys, senders) = (RefCell::default(), RefCell::default());
    let tenant_keys = RefCell::default();
    let breakers = Arc::default();
    let builder = Builder {
        settings,
        around,
        fetch,
        forwarder,
        manager,
        health,
        breakers,
        keys,
        revocations,
        senders,
        stores,
        tenant_keys,
        warming: RefCell::default(),
    };
    let keeping = builder.keeping();
    builder.watch_revocations();
    builder.logins_are_told_apart()?;
    let broker = builder.broker()?;
    let around_providers = broker.as_ref();
    let providers = settings
        .providers
        .iter()
        .map(|p| builder.provider(p, around_providers))
        .collect::<Result<Vec<_>, _>>()?;
    // What an earlier process kept is there with the first answer (HARD 18); no store holds this up for long.
    for handle in builder.warming.take() {
        handle.warmed().await;
    }
    let keys = builder.signing_keys()?;
    let audit = builder.audit()?;
    let shared = Shared { providers: &providers, keys: keys.as_ref(), audit: audit.clone() };
    let guards = settings.guards.iter().map(|guard| builder.guard(guard, &shared)).collect::<Vec<_>>();
    let pages = broker.as_ref().map(|broker| builder.pages(broker)).transpose()?;
    let documents = Documents::new(keys, around.clock.clone());
    let events = Receiver::new(builder.senders.take(), builder.revocations.clone(), around.clock.clone());
    let admin_token = settings.server.admin_token.as_ref().map(|token| around.secrets.known(token));
    let failed = |source| ComposeError::Secret { what: "server.adminToken".into(), source };
    let admin_token = admin_token.transpose().map_err(failed)?;
    let admin_on_loopback = settings.server.admin.ip().is_loopback();
    let built: Arc<[Arc<Guard>]> = guards.iter().map(|inbound| inbound.guard.clone()).collect();
    Ok(Composition {
        guards: built.clone(),
        routes: Arc::new(Routes::new(guards, events, documents, pages)),
        egress: settings.server.egress.as_ref().map(|_| Arc::new(builder.egress(&providers, audit.clone()))),
        console: Console {
            observer: around.observer.clone(),
            health: builder.health,
            guards: built,
            supplies: Supplies { providers: providers.into(), clock: around.clock.clone() },
            revocations: builder.revocations,
            browser: BrowserRules { origins: Vec::new(), hosts: Vec::new(), on_loopback: admin_on_loopback },
            token: admin_token,
        },
        manager: builder.manager,
        logins,
        tenant_keys: builder.tenant_keys.take(),
        sweeping,
        sessions: broker.map(|broker| Sweeping::of_sessions(broker.application, around.clock.clone())),
        keeping,
        secrets: around.secrets.clone(),
    })
}

struct Builder<'a> {
    settings: &'a Settings,
    around: &'a Surroundings,
    fetch: Arc<dyn Fetch>,
    forwarder: Forwarder,
    manager: Arc<TokenManager>,
    health: Health,
    breakers: Arc<Breakers>,
    /// Key sources by issuer and place: guards that trust the same share one, and one fetch.
    keys: RefCell<HashMap<(Issuer, KeysFrom), Arc<KeySource>>>,
    revocations: Arc<Revocations>,
    /// Issuers that tell of sessions that have ended.
    senders: RefCell<Vec<Sender>>,
    /// Where tokens are kept.
    stores: Stores,
    tenant_keys: RefCell<Vec<TenantKey>>,
    /// Tokens that may have been kept by an earlier process.
    warming: RefCell<Vec<Handle>>,
}

impl Builder<'_> {
    /// Of the secrets that a store on the network has, if there are any.
    fn keeping(&self) -> Option<Keeping> {
        let mut secrets = self.settings.secrets().into_iter();
        secrets.any(|(_, reference)| reference.is_remote()).then(|| {
            self.health.register(Arc::new(SecretsProbe(self.around.secrets.clone())));
            self.around.secrets.keep()
        })
    }

    fn watch_revocations(&self) {
        let (known, clock) = (&self.revocations, &self.around.clock);
        if let Some(path) = &self.settings.revocation.journal {
            let journal = RevocationJournal::tend(path.clone(), known.clone(), clock.clone());
            self.health.register(Arc::new(journal));
        }
        if let Some(path) = &self.settings.revocation.file {
            let file = RevocationFile::watch(path.clone(), known.clone(), clock.clone());
            self.health.register(Arc::new(file));
        }
    }

    fn audit(&self) -> Result<Option<AuditTrail>, ComposeError> {
        let Some(audit) = &self.settings.audit else { return Ok(None) };
        let pseudonyms = match &audit.hidden {
            None => Pseudonyms::default(),
            Some(hidden) => {
                let failed = |source| ComposeError::Secret { what: "telemetry.audit.hashKey".into(), source };
                let key = self.around.secrets.known(&hidden.key).map_err(failed)?;
                Pseudonyms::new(key.expose().as_bytes(), hidden.fields.iter().copied())
            }
        };
        let (metrics, clock) = (self.around.observer.metrics().clone(), self.around.clock.clone());
        let trail = AuditTrail::start(audit.destination.clone(), pseudonyms, metrics, clock);
        let trail =
            trail.map_err(|source| ComposeError::Audit { place: audit.destination.to_string(), source })?;
        self.health.register(Arc::new(trail.clone()));
        Ok(Some(trail))
    }

    fn secret(&self, reference: &SecretRef) -> SharedCredential {
        Arc::new(ReadEachTime { reference: reference.clone(), secrets: self.around.secrets.clone() })
    }

    fn metadata(&self, issuer: &Issuer) -> KnownMetadata {
        let clock = &self.around.clock;
        KnownMetadata::new(issuer.clone(), Discovery::new(self.fetch.clone(), clock.clone()), clock.clone())
    }

    fn egress(&self, providers: &[Arc<Provider>], audit: Option<AuditTrail>) -> Egress {
        let on_loopback = match &self.settings.server.egress {
            Some(ListenAddress::Tcp(address)) => address.ip().is_loopback(),
            _ => false,
        };
        let hosts = self.settings.server.allowed_hosts.clone();
        let browser = BrowserRules { origins: Vec::new(), hosts, on_loopback };
        Egress::new(providers.iter().cloned(), browser, self.reserved(), self.forwarder.clone(), audit)
    }

    /// Headers that some provider of this process signs: no caller may set any of them anywhere.
    fn reserved(&self) -> Reserved {
        let tenant = self.settings.providers.iter().filter_map(|provider| provider.tenant_headers.as_ref());
        Reserved::new(tenant.map(|tenant| tenant.prefix.as_str()))
    }
}

/// Of a client that has none.
fn no_secret() -> SharedCredential {
    Arc::new(FixedCredential(ClientSecret::new("")))
}

/// A client's secret, asked for anew for every request: a file that changes is used at once, and so is what a store on
/// the network has once it has been looked at again.
#[derive(Debug)]
struct ReadEachTime {
    reference: SecretRef,
    secrets: Secrets,
}

impl CredentialSource for ReadEachTime {
    fn current(&self) -> Reading<'_> {
        Box::pin(async {
            let secret = self.secrets.read(&self.reference).await;
            let secret = secret.map_err(|error| CredentialError(error.to_string()))?;
            Ok(Credential { secret })
        })
    }

    fn version(&self) -> Option<Fingerprint> {
        self.secrets.version(&self.reference)
    }

    fn doubt(&self) {
        self.secrets.doubt(&self.reference);
    }

    fn trouble(&self) -> Option<CredentialError> {
        self.secrets.known(&self.reference).err().map(|error| CredentialError(error.to_string()))
    }
}
