//! A stand-in for HashiCorp Vault: the few paths of its HTTP API that read secrets, in the shapes that it documents.
//!
//! Logins by AppRole and Kubernetes, tokens with leases on a given clock, policies, a KV version 2 engine, namespaces,
//! a seal, bad days. It is none to keep secrets in.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use bearward_testbed::vault::Vault;
//! let vault = Vault::builder().start().await?;
//! vault.approle("notes-gateway", "secret-id", &["kv/data/notes/*"]);
//! vault.put("kv", "notes/client", &[("client_secret", "wonderland")]);
//! # Ok(()) }
//! ```

mod answers;
mod dispatch;
mod faults;
mod kv;
mod tokens;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bearward_token::{Clock, SystemClock};
use serde_json::{Map, Value};
use tokio::net::TcpListener;

pub use self::faults::{Fault, Place};
use self::kv::Engine;
use self::tokens::{AppRole, KubernetesRole, Tokens};
use crate::served::Served;

/// A running Vault. Stops when dropped.
#[derive(Debug)]
pub struct Vault {
    shared: Shared,
    served: Served,
}

/// Makes a [`Vault`].
#[derive(Debug)]
pub struct Builder {
    namespace: Option<String>,
    requires_request_header: bool,
    lease: Duration,
    longest_lease: Duration,
    is_renewable: bool,
    clock: Arc<dyn Clock>,
}

type Shared = Arc<State>;

#[derive(Debug)]
struct State {
    settings: Builder,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By mount.
    engines: BTreeMap<String, Engine>,
    approles: BTreeMap<String, AppRole>,
    kubernetes: BTreeMap<String, KubernetesRole>,
    tokens: Tokens,
    is_sealed: bool,
    faults: Vec<(Place, Fault)>,
    asked: BTreeMap<Place, u64>,
    secrets: Vec<String>,
}

impl Vault {
    /// Unsealed, empty, with renewable leases of one hour that end after a day.
    pub fn builder() -> Builder {
        Builder {
            namespace: None,
            requires_request_header: false,
            lease: Duration::from_secs(3600),
            longest_lease: Duration::from_secs(24 * 3600),
            is_renewable: true,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("http://{}", self.served.address())
    }

    /// A role at `auth/approle`; its policies are paths that may be read, `*` at an end for all below.
    pub fn approle(&self, role_id: &str, secret_id: &str, policies: &[&str]) {
        let role = AppRole { secret_ids: vec![secret_id.into()], policies: owned(policies) };
        let mut inner = self.shared.inner();
        inner.secrets.push(secret_id.into());
        inner.approles.insert(role_id.into(), role);
    }

    /// A role at `auth/kubernetes`, bound to the service account whose token this is.
    pub fn kubernetes(&self, role: &str, jwt: &str, policies: &[&str]) {
        let mut inner = self.shared.inner();
        inner.secrets.push(jwt.into());
        inner.kubernetes.insert(role.into(), KubernetesRole { jwt: jwt.into(), policies: owned(policies) });
    }

    /// A token with a lease of the usual length.
    pub fn token(&self, policies: &[&str]) -> String {
        let token = self.shared.inner().tokens.issue(&self.shared.settings, owned(policies));
        self.shared.inner().secrets.push(token.clone());
        token
    }

    /// Puts a new version of a secret, and answers with its number.
    pub fn put(&self, mount: &str, path: &str, fields: &[(&str, &str)]) -> u64 {
        let fields: Map<_, _> =
            fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
        self.shared.inner().secrets.extend(fields.values().filter_map(Value::as_str).map(str::to_owned));
        self.put_json(mount, path, fields)
    }

    /// The same with fields of any kind.
    pub fn put_json(&self, mount: &str, path: &str, fields: Map<String, Value>) -> u64 {
        self.shared.inner().engines.entry(mount.into()).or_default().put(path, fields)
    }

    /// Deletes the newest version, as `vault kv delete` does.
    pub fn delete(&self, mount: &str, path: &str) {
        if let Some(engine) = self.shared.inner().engines.get_mut(mount) {
            engine.delete(path);
        }
    }

    /// All tokens end at once.
    pub fn revoke_tokens(&self) {
        self.shared.inner().tokens = Tokens::default();
    }

    /// How many tokens live: neither expired nor revoked.
    pub fn living_tokens(&self) -> usize {
        self.shared.inner().tokens.alive(self.shared.settings.clock.monotonic())
    }

    /// No token is renewed any more.
    pub fn refuse_renewals(&self) {
        self.shared.inner().tokens.refuse_renewals();
    }

    /// Answers nothing any more, or again.
    pub fn seal(&self, is_sealed: bool) {
        self.shared.inner().is_sealed = is_sealed;
    }

    /// Strikes every request at this place until [`Vault::mend`].
    pub fn fault(&self, place: Place, fault: Fault) {
        self.shared.inner().faults.push((place, fault));
    }

    /// A good day again.
    pub fn mend(&self) {
        self.shared.inner().faults.clear();
    }

    /// How often a place was asked, faults included.
    pub fn asked(&self, place: Place) -> u64 {
        self.shared.inner().asked.get(&place).copied().unwrap_or(0)
    }

    /// Every token and secret that it ever gave out or knew.
    pub fn secrets(&self) -> Vec<String> {
        self.shared.inner().secrets.clone()
    }

    /// Stops, and waits until its port is free again.
    pub async fn stop(self) {
        self.served.stop().await;
    }
}

impl Builder {
    /// Everything is in this namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Takes no request without `X-Vault-Request: true`, as a listener with `require_request_header`.
    #[must_use]
    pub fn requires_request_header(mut self) -> Self {
        self.requires_request_header = true;
        self
    }

    /// How long a token lasts before it must be renewed, and how long at most.
    #[must_use]
    pub fn lease(mut self, lease: Duration, longest: Duration) -> Self {
        (self.lease, self.longest_lease) = (lease, longest);
        self
    }

    /// Tokens cannot be renewed, as batch tokens.
    #[must_use]
    pub fn not_renewable(mut self) -> Self {
        self.is_renewable = false;
        self
    }

    /// Its idea of time.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Serves on a free port of loopback.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(self) -> io::Result<Vault> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let shared = Arc::new(State { settings: self, inner: Mutex::default() });
        let served = Served::on(listener, dispatch::router(shared.clone()))?;
        Ok(Vault { shared, served })
    }
}

impl State {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn owned(paths: &[&str]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}
