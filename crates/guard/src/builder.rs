//! A guard in a few lines, for programs that use the crate by itself.

use std::sync::Arc;
use std::time::Duration;

use bearward_issuer::{Discovery, Fetch, HttpFetch, KnownMetadata};
use bearward_observe::Observer;
use bearward_token::{Clock, Issuer, PlaceError, Resource, Scope, ScopeError, ScopeSet, SystemClock};

use crate::guard::{Guard, GuardSettings};
use crate::key_source::KeySource;
use crate::limits::LimitSettings;
use crate::loaders::Discovered;
use crate::metadata::Description;
use crate::mode::Mode;
use crate::policy::Policy;
use crate::presets::Preset;
use crate::revocation::Revocations;
use crate::scopes::ScopePolicy;
use crate::verify::TrustedIssuer;

/// What becomes a guard: one resource, the issuers whose tokens open it, and strict defaults for the rest.
#[derive(Debug, Clone)]
pub struct GuardBuilder {
    resource: String,
    issuers: Vec<(String, Preset)>,
    scopes: Vec<String>,
    description: Description,
    observer: Observer,
}

/// Why no guard can be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A resource or an issuer is no URL that fits.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Not a scope.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// No issuer is trusted.
    #[error("a guard without an issuer lets nobody in: name one with `issuer`")]
    NoIssuer,
    /// TLS cannot be set up on this machine.
    #[error("TLS cannot be set up on this machine: {0}")]
    Tls(String),
}

impl Guard {
    /// Begins a guard for a resource: the URL that callers use, which is also what tokens must be issued for.
    pub fn builder(resource: &str) -> GuardBuilder {
        let (issuers, scopes) = (Vec::new(), Vec::new());
        let (description, observer) = (Description::default(), Observer::new());
        GuardBuilder { resource: resource.into(), issuers, scopes, description, observer }
    }
}

impl GuardBuilder {
    /// Trusts an issuer: exactly as its tokens say it, slash included. Its keys are found by discovery.
    #[must_use]
    pub fn issuer(self, issuer: &str) -> Self {
        self.issuer_of(issuer, Preset::Oidc)
    }

    /// Trusts an issuer of a vendor whose tokens look a little different.
    #[must_use]
    pub fn issuer_of(mut self, issuer: &str, preset: Preset) -> Self {
        self.issuers.push((issuer.into(), preset));
        self
    }

    /// A scope that every request needs.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// What the metadata document says beside what it must: a name, pages, terms.
    #[must_use]
    pub fn describe(mut self, description: Description) -> Self {
        self.description = description;
        self
    }

    /// Told of every decision; its metrics can be rendered.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// Makes the guard. Keys are fetched in the background from now on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// As [`BuildError`] says. An issuer that is down is no error: requests get 503 until its keys are there.
    pub fn build(self) -> Result<Guard, BuildError> {
        let resource: Resource = self.resource.parse()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let fetch: Arc<dyn Fetch> =
            Arc::new(HttpFetch::new().map_err(|error| BuildError::Tls(error.to_string()))?);
        let trusted = |(issuer, preset): &(String, Preset)| {
            let issuer: Issuer = issuer.parse()?;
            let discovery = Discovery::new(fetch.clone(), clock.clone());
            let metadata = KnownMetadata::new(issuer.clone(), discovery, clock.clone());
            let loader = Arc::new(Discovered { metadata, fetch: fetch.clone() });
            Ok::<_, BuildError>(TrustedIssuer {
                issuer: issuer.clone(),
                keys: Some(Arc::new(KeySource::start(issuer, loader, clock.clone()))),
                opaque: None,
                algorithms: preset.algorithms(),
                expectations: preset.expectations(vec![resource.as_str().to_owned()]),
            })
        };
        let issuers = self.issuers.iter().map(trusted).collect::<Result<Vec<_>, _>>()?;
        if issuers.is_empty() {
            return Err(BuildError::NoIssuer);
        }
        let required =
            self.scopes.iter().map(|scope| scope.parse::<Scope>()).collect::<Result<ScopeSet, _>>()?;
        let settings = GuardSettings {
            name: resource.as_str().into(),
            realm: "mcp".into(),
            scopes: ScopePolicy::new(required, ScopeSet::default(), Default::default()),
            policy: Policy::default(),
            revocations: Arc::new(Revocations::new(clock.clone())),
            limits: LimitSettings::default(),
            mode: Mode::default(),
            cache_ttl: Duration::from_secs(60),
            cache_entries: 100_000,
            pre_provisioned: false,
            description: self.description,
            resource,
        };
        Ok(Guard::new(settings, issuers, clock, self.observer))
    }
}
