//! What a configuration says, in types that cannot be wrong. Services are built from these and nothing else.

mod provider;
mod session;
mod setting;

pub use provider::{
    ActorSettings, ClientSettings, GrantSettings, MinTtl, ProviderSettings, RequestSettings, TenantSettings,
};
pub use session::{BrokerSettings, SessionSettings, Via};
pub use setting::Setting;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bearward_gateway::revision::Revisions;
use bearward_gateway::target::Target;
use bearward_guard::keys::Algorithm;
use bearward_guard::metadata::Description;
use bearward_guard::{ClaimPath, Expectations, LimitSettings, Mode, Policy};
use bearward_observe::audit::{Destination, Field};
use bearward_secrets::{SecretRef, StoreSettings, VaultAuth};
use bearward_token::{Endpoint, Issuer, Resource, Scope, ScopeSet};
use http::HeaderName;
use ipnet::IpNet;

/// Beside the sealed records.
const SESSIONS_JOURNAL: &str = "revocations.jsonl";

/// All of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Listeners.
    pub server: ServerSettings,
    /// What is guarded.
    pub guards: Vec<GuardSettings>,
    /// Where tokens go.
    pub providers: Vec<ProviderSettings>,
    /// Where users sign in; absent: nowhere here.
    pub broker: Option<BrokerSettings>,
    /// Where revocations are.
    pub revocation: RevocationSettings,
    /// Where decisions are written down; absent: nowhere.
    pub audit: Option<AuditSettings>,
    /// Where what must outlive the process is kept; absent: in memory alone, and it does not.
    pub state: Option<StateSettings>,
    /// Stores of secrets on the network.
    pub stores: StoreSettings,
}

/// Sealed files.
#[derive(Debug, Clone)]
pub struct StateSettings {
    /// The folder.
    pub path: PathBuf,
    /// What they are sealed with, newest first.
    pub keys: Vec<SecretRef>,
}

/// Where revocations are.
#[derive(Debug, Clone, Default)]
pub struct RevocationSettings {
    /// A watched file, which somebody else writes.
    pub file: Option<PathBuf>,
    /// Where those are kept that come in otherwise; absent: in memory alone.
    pub journal: Option<PathBuf>,
}

/// The audit trail.
#[derive(Debug, Clone)]
pub struct AuditSettings {
    /// Where it goes.
    pub destination: Destination,
    /// What of it is hidden.
    pub hidden: Option<HiddenSettings>,
}

/// What an audit trail says only by another name.
#[derive(Debug, Clone)]
pub struct HiddenSettings {
    /// In which fields.
    pub fields: Vec<Field>,
    /// Makes the names.
    pub key: SecretRef,
}

impl RevocationSettings {
    /// Sessions that outlive the process must not come back to life with the next one: what ends them is kept where they
    /// are, unless that is said otherwise.
    pub(crate) fn kept_beside(mut self, state: Option<&StateSettings>, has_sessions: bool) -> Self {
        if let (Some(state), true) = (state, has_sessions) {
            self.journal.get_or_insert_with(|| state.path.join(SESSIONS_JOURNAL));
        }
        self
    }
}

impl Settings {
    /// Every secret, with what it is for.
    pub fn secrets(&self) -> Vec<(String, &SecretRef)> {
        let providers = self.providers.iter().flat_map(ProviderSettings::secrets);
        let issuers = self.guards.iter().flat_map(|guard| &guard.issuers).flat_map(|issuer| {
            let opaque = issuer.opaque.as_ref();
            let opaque = opaque.and_then(|opaque| opaque.by.secret());
            let opaque = opaque.map(|secret| (format!("opaque tokens of {}", issuer.issuer), secret));
            let keys = match &issuer.keys {
                Some(KeysFrom::Protected(_, secret)) => Some((format!("keys of {}", issuer.issuer), secret)),
                _ => None,
            };
            opaque.into_iter().chain(keys)
        });
        let keys = self.server.identity_keys.iter().map(|key| ("identity keys".to_owned(), key));
        let hidden = self.audit.as_ref().and_then(|audit| audit.hidden.as_ref());
        let audit = hidden.map(|hidden| ("audit trail".to_owned(), &hidden.key));
        let admin = self.server.admin_token.iter().map(|token| ("the admin API".to_owned(), token));
        let state = self.state.iter().flat_map(|state| &state.keys);
        let state = state.map(|key| ("the state's sealing key".to_owned(), key));
        // A service account's token is where Kubernetes puts it, and with the rights that Kubernetes gives it.
        let vault = self.stores.vault.iter().map(|vault| &vault.auth);
        let vault = vault.filter(|auth| !matches!(auth, VaultAuth::Kubernetes { .. }));
        let vault = vault.map(|auth| ("the login to Vault".to_owned(), auth.secret()));
        let broker = self.broker.as_ref().and_then(BrokerSettings::secret);
        let broker = broker.map(|secret| ("broker".to_owned(), secret));
        let servers = keys.chain(audit).chain(admin).chain(state).chain(vault).chain(broker);
        providers.chain(issuers).chain(servers).collect()
    }

    /// True when there is anything to listen for.
    pub fn serves(&self) -> bool {
        !self.guards.is_empty() || self.server.egress.is_some() || self.broker.is_some()
    }

    /// Makes relative paths relative to a folder, as those in a file are to the file's own: whoever starts
    /// the program may stand anywhere.
    pub(crate) fn with_files_in(mut self, folder: &Path) -> Self {
        for path in [&mut self.revocation.file, &mut self.revocation.journal].into_iter().flatten() {
            *path = folder.join(&path);
        }
        if let Some(AuditSettings { destination: Destination::File { path, .. }, .. }) = &mut self.audit {
            *path = folder.join(&path);
        }
        let mut state = self.state.as_mut();
        if let Some(state) = &mut state {
            state.path = folder.join(&state.path);
        }
        let vault = self.stores.vault.as_mut();
        let vault = vault.map(|vault| (vault.ca_certificate.as_mut(), vault.auth.secret_mut())).unzip();
        if let Some(path) = vault.0.flatten() {
            *path = folder.join(&path);
        }
        let hidden =
            self.audit.as_mut().and_then(|audit| audit.hidden.as_mut()).map(|hidden| &mut hidden.key);
        let server = self.server.identity_keys.iter_mut().chain(&mut self.server.admin_token);
        let state = state.into_iter().flat_map(|state| &mut state.keys);
        let providers = self.providers.iter_mut().flat_map(ProviderSettings::secrets_mut);
        let broker = self.broker.as_mut().and_then(BrokerSettings::secret_mut);
        for secret in server.chain(hidden).chain(state).chain(providers).chain(vault.1).chain(broker) {
            if let SecretRef::File(path) = secret {
                *path = folder.join(&path);
            }
        }
        for issuer in self.guards.iter_mut().flat_map(|guard| &mut guard.issuers) {
            if let Some(KeysFrom::File(path) | KeysFrom::Protected(_, SecretRef::File(path))) =
                &mut issuer.keys
            {
                *path = folder.join(&path);
            }
            if let Some(SecretRef::File(path)) =
                issuer.opaque.as_mut().and_then(|opaque| opaque.by.secret_mut())
            {
                *path = folder.join(&path);
            }
        }
        self
    }
}

/// Listeners.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Guarded resources and their metadata.
    pub listen: SocketAddr,
    /// Metrics and health.
    pub admin: SocketAddr,
    /// A unix socket for operators of this machine; absent: none.
    pub admin_socket: Option<PathBuf>,
    /// Who may use the admin API; absent: this machine alone.
    pub admin_token: Option<SecretRef>,
    /// The sidecar; absent: off.
    pub egress: Option<ListenAddress>,
    /// Threads; absent: one a core.
    pub workers: Option<usize>,
    /// What callers call the public listener, if it is not a resource's own origin.
    pub public_url: Option<Resource>,
    /// Further host names that a loopback listener answers to.
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may call any guard.
    pub allowed_origins: Vec<String>,
    /// Proxies in front that tell who calls.
    pub trusted_proxies: Vec<IpNet>,
    /// Longest request head, in bytes.
    pub max_header: usize,
    /// Keys that sign, newest first; empty: ones of our own, changed every day.
    pub identity_keys: Vec<SecretRef>,
    /// Most connections at once to one listener; absent: what the process's open files allow.
    pub max_connections: Option<usize>,
    /// How long open requests may go on at shutdown.
    pub drain: Duration,
}

/// A TCP address or a unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// `host:port`.
    Tcp(SocketAddr),
    /// `unix:/path`.
    Unix(PathBuf),
}

/// One guarded resource.
#[derive(Debug, Clone)]
pub struct GuardSettings {
    /// Its canonical URI.
    pub resource: Resource,
    /// What stands behind.
    pub upstream: Target,
    /// The provider whose token goes there.
    pub provider: Option<String>,
    /// For challenges.
    pub realm: String,
    /// Whose tokens open it; at least one.
    pub issuers: Vec<IssuerSettings>,
    /// Needed by every request.
    pub required_scopes: ScopeSet,
    /// Published.
    pub supported_scopes: ScopeSet,
    /// Broader scope → the narrower ones it includes.
    pub implied_scopes: BTreeMap<Scope, ScopeSet>,
    /// How long a verified token is remembered.
    pub cache_ttl: Duration,
    /// How many are.
    pub cache_entries: u64,
    /// Origins of web pages that may call.
    pub allowed_origins: Vec<String>,
    /// Which revisions of MCP pass.
    pub revisions: Revisions,
    /// Longest request body, in bytes.
    pub max_body: usize,
    /// What single calls need.
    pub policy: Policy,
    /// How much callers may ask.
    pub limits: LimitSettings,
    /// Whether it refuses at all, and whom.
    pub mode: Mode,
    /// Publishes no authorization server (SPEC RS-2).
    pub pre_provisioned: bool,
    /// What the metadata document says beside.
    pub description: Description,
    /// Whether that document is signed.
    pub signs_metadata: bool,
    /// What the upstream is told of callers.
    pub identity: IdentitySettings,
    /// How long an event stream outlives its token.
    pub stream_grace: Duration,
}

/// What an upstream is told of callers.
#[derive(Debug, Clone, Default)]
pub struct IdentitySettings {
    /// Which claim stands in which header.
    pub headers: Vec<(HeaderName, ClaimPath)>,
    /// A signed assertion.
    pub assertion: Option<AssertionSettings>,
}

/// How an upstream is told by a signed assertion.
#[derive(Debug, Clone)]
pub struct AssertionSettings {
    /// Its `aud`.
    pub audience: String,
    /// How long one lives.
    pub lifetime: Duration,
}

/// One trusted issuer.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// Its identifier.
    pub issuer: Issuer,
    /// Accepted algorithms; at least one.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are; `None`: it gives out opaque tokens alone.
    pub keys: Option<KeysFrom>,
    /// How it is asked about opaque tokens; `None`: none is accepted.
    pub opaque: Option<OpaqueSettings>,
    /// What its tokens must say.
    pub expectations: Expectations,
    /// Accepted `aud` of its logout tokens; empty: none is taken.
    pub logout_audiences: Vec<String>,
    /// Accepted `aud` of its security events; empty: none is taken.
    pub event_audiences: Vec<String>,
}

/// How an issuer is asked about its opaque tokens.
#[derive(Debug, Clone)]
pub struct OpaqueSettings {
    /// In which way.
    pub by: AskBy,
    /// What its tokens begin with; empty: anything that is no JWT.
    pub prefixes: Vec<String>,
}

/// In which way an issuer is asked.
#[derive(Debug, Clone)]
pub enum AskBy {
    /// RFC 7662.
    Introspection {
        /// Where; discovered when absent.
        endpoint: Option<Endpoint>,
        /// As whom.
        client: ClientSettings,
    },
    /// Clerk's backend API.
    Clerk {
        /// Its base URL.
        api: Endpoint,
        /// What proves that we may ask.
        secret_key: SecretRef,
    },
}

impl AskBy {
    /// What proves that we may ask.
    pub(crate) fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::Introspection { client, .. } => client.credential.as_ref(),
            Self::Clerk { secret_key, .. } => Some(secret_key),
        }
    }

    fn secret_mut(&mut self) -> Option<&mut SecretRef> {
        match self {
            Self::Introspection { client, .. } => client.credential.as_mut(),
            Self::Clerk { secret_key, .. } => Some(secret_key),
        }
    }
}

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeysFrom {
    /// The issuer's metadata.
    Discovery,
    /// A URL.
    Url(Endpoint),
    /// A URL that shows them to those with a secret key alone, such as Clerk's backend API.
    Protected(Endpoint, SecretRef),
    /// A file.
    File(PathBuf),
    /// The configuration: a key set as JSON.
    Inline(String),
}
