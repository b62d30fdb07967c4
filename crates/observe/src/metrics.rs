//! Counters, histograms and gauges, in the OpenMetrics text format.
//!
//! Labels are bounded: names from the configuration and fixed words. No subject, token or URL from
//! outside is ever a label.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::Event;
use crate::seconds::Seconds;
use crate::tally::Tally;

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of one process.
pub struct Metrics {
    registry: Registry,
    header_bearer: Family<ByProvider, Counter>,
    store_hit: Family<ByProvider, Counter>,
    retry_401: Family<ByProvider, Counter>,
    retry_success: Family<ByProvider, Counter>,
    secrets_rotated: Family<ByProvider, Counter>,
    broker_exchange: Family<ProviderOutcome, Counter>,
    broker_refresh: Family<ProviderOutcome, Counter>,
    denied: Family<ProviderReason, Counter>,
    requests: Family<GuardOutcome, Counter>,
    observed: Family<GuardOutcome, Counter>,
    fetches: Family<ProviderOutcome, Counter>,
    joined: Family<ByProvider, Counter>,
    late_seconds: Seconds,
    quota_left: Family<ProviderLimit, Gauge<f64, AtomicU64>>,
    fetch_seconds: Seconds,
    verify_seconds: Seconds,
    overhead_seconds: Seconds,
    expires_in: Family<ByProvider, Gauge<f64, AtomicU64>>,
    breaker_open: Family<ByIssuer, Gauge>,
    audit: Family<ByOutcome, Counter>,
}

/// The counter of one provider's tokens that came from memory, looked up once.
#[derive(Debug, Clone)]
pub struct Hits {
    provider: Arc<str>,
    counter: Counter,
}

impl Hits {
    pub(crate) fn count(&self) {
        self.counter.inc();
    }

    pub(crate) fn provider(&self) -> &str {
        &self.provider
    }

    pub(crate) fn provider_shared(&self) -> Arc<str> {
        self.provider.clone()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProvider {
    provider: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByIssuer {
    issuer: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GuardOutcome {
    guard: Name,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderOutcome {
    provider: Name,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderReason {
    provider: Name,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLimit {
    provider: Name,
    limit: &'static str,
}

/// A configured name, shared instead of copied.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name(Arc<str>);

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), fmt::Error> {
        EncodeLabelValue::encode(&&*self.0, encoder)
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        Self {
            header_bearer: counter(
                &mut registry,
                "auth_header_bearer",
                "Requests that left with a token attached",
            ),
            store_hit: counter(&mut registry, "auth_token_store_hit", "Tokens handed out from memory"),
            retry_401: counter(
                &mut registry,
                "auth_retry_401",
                "Requests repeated because a provider refused our token",
            ),
            retry_success: counter(
                &mut registry,
                "auth_retry_success",
                "Repeated requests that then succeeded",
            ),
            secrets_rotated: counter(
                &mut registry,
                "secret_rotated",
                "New versions of a client's secret or key that have worked",
            ),
            broker_exchange: counter(
                &mut registry,
                "auth_token_broker_exchange",
                "Times a broker was asked for a provider's token, by outcome",
            ),
            broker_refresh: counter(
                &mut registry,
                "auth_token_broker_refresh",
                "Times a broker was asked for another token than a refused one, by outcome",
            ),
            denied: counter(
                &mut registry,
                "auth_guard_denied",
                "Requests that the user's login was not reused for, by reason",
            ),
            requests: counter(&mut registry, "auth_requests", "Requests at a guard by outcome"),
            observed: counter(
                &mut registry,
                "auth_observed",
                "Requests that a guard let through and would refuse if it enforced, by reason",
            ),
            fetches: counter(
                &mut registry,
                "token_fetch",
                "Token requests to authorization servers by outcome",
            ),
            joined: counter(
                &mut registry,
                "token_flight_joined",
                "Callers that waited for a token request which another had begun",
            ),
            // 1 ms to 16 s, as far as a refresh behind its time is worth telling apart.
            late_seconds: seconds(
                &mut registry,
                "token_refresh_lag",
                "Time from when a refresh was due to its new token",
                Duration::from_millis(1),
            ),
            quota_left: number(
                &mut registry,
                "token_quota_left",
                "What an authorization server's quota still allows",
            ),
            // 1 ms to 16 s: an authorization server on the next rack, and one that is falling over.
            fetch_seconds: seconds(
                &mut registry,
                "token_fetch",
                "Time to get a token",
                Duration::from_millis(1),
            ),
            // 1 µs to 16 ms: a cache hit, and a cold RSA check on a busy machine.
            verify_seconds: seconds(
                &mut registry,
                "auth_verify",
                "Time to verify a token",
                Duration::from_micros(1),
            ),
            overhead_seconds: seconds(
                &mut registry,
                "proxy_overhead",
                "Time a request spends inside Bearward",
                Duration::from_micros(10),
            ),
            audit: counter(
                &mut registry,
                "audit_entries",
                "Lines of the audit trail: written, failed (the disk may be full), dropped (more than can be written)",
            ),
            expires_in: gauge(&mut registry, "token_expires_in", "Time left of the current token"),
            breaker_open: {
                let family = Family::<ByIssuer, Gauge>::default();
                let help = "1 while a failing authorization server is left alone";
                registry.register("breaker_open", help, family.clone());
                family
            },
            registry,
        }
    }

    /// The text for `GET /metrics`.
    ///
    /// # Errors
    /// Only when formatting itself fails, which writing to a `String` does not.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    pub(crate) fn count(&self, event: &Event) {
        match event {
            Event::AuthVerified { took, .. } => self.verify_seconds.observe(*took),
            Event::AuthAccepted { guard } => {
                self.requests.get_or_create(&guard_outcome(guard, "accepted")).inc();
            }
            Event::AuthRejected { guard, reason, is_enforced: true } => {
                self.requests.get_or_create(&guard_outcome(guard, reason.as_str())).inc();
            }
            Event::AuthRejected { guard, reason, is_enforced: false } => {
                self.observed.get_or_create(&guard_outcome(guard, reason.as_str())).inc();
            }
            Event::HeaderAttached { provider } => {
                self.header_bearer.get_or_create(&by(provider)).inc();
            }
            Event::TokenStoreHit { provider } => {
                self.store_hit.get_or_create(&by(provider)).inc();
            }
            Event::Retry401 { provider } => {
                self.retry_401.get_or_create(&by(provider)).inc();
            }
            Event::RetrySuccess { provider } => {
                self.retry_success.get_or_create(&by(provider)).inc();
            }
            Event::TokenFetched { provider, failure, took, lifetime, late } => {
                self.fetches.get_or_create(&provider_outcome(provider, *failure)).inc();
                self.fetch_seconds.observe(*took);
                if let Some(late) = late {
                    self.late_seconds.observe(*late);
                }
                if let Some(lifetime) = lifetime {
                    self.expires_in.get_or_create(&by(provider)).set(lifetime.as_secs_f64());
                }
            }
            Event::FlightJoined { provider } => {
                self.joined.get_or_create(&by(provider)).inc();
            }
            Event::QuotaSeen { provider, limit, left, .. } => {
                let labels = ProviderLimit { provider: Name(provider.clone()), limit };
                self.quota_left.get_or_create(&labels).set(*left as f64);
            }
            Event::SecretRotated { provider } => {
                self.secrets_rotated.get_or_create(&by(provider)).inc();
            }
            Event::BrokerExchanged { provider, failure } => {
                self.broker_exchange.get_or_create(&provider_outcome(provider, *failure)).inc();
            }
            Event::BrokerRefreshed { provider, failure } => {
                self.broker_refresh.get_or_create(&provider_outcome(provider, *failure)).inc();
            }
            Event::GuardDenied { provider, reason } => {
                let labels = ProviderReason { provider: Name(provider.clone()), reason: reason.as_str() };
                self.denied.get_or_create(&labels).inc();
            }
            Event::Proxied { overhead, .. } => self.overhead_seconds.observe(*overhead),
        }
    }

    /// The counter of what a guard lets through: [`Event::AuthAccepted`].
    pub fn accepted(&self, guard: &Arc<str>) -> Tally {
        Tally::new(self.requests.get_or_create(&guard_outcome(guard, "accepted")).clone())
    }

    /// The counter of requests that leave with a provider's token: [`Event::HeaderAttached`].
    pub fn attached(&self, provider: &Arc<str>) -> Tally {
        Tally::new(self.header_bearer.get_or_create(&by(provider)).clone())
    }

    /// The counter of a provider's tokens that come from memory.
    pub fn hits(&self, provider: &Arc<str>) -> Hits {
        let counter = self.store_hit.get_or_create(&by(provider)).clone();
        Hits { provider: provider.clone(), counter }
    }

    /// Counts a line of the audit trail: `written`, `failed` or `dropped`.
    pub(crate) fn count_audit(&self, outcome: &'static str) {
        self.audit.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// Sets how long a provider's token still lives, as read when metrics are asked for.
    pub fn set_expires_in(&self, provider: &Arc<str>, left: Duration) {
        self.expires_in.get_or_create(&by(provider)).set(left.as_secs_f64());
    }
}

impl Metrics {
    pub(crate) fn observe_verified(&self, took: Duration) {
        self.verify_seconds.observe(took);
    }

    pub(crate) fn observe_overhead(&self, took: Duration) {
        self.overhead_seconds.observe(took);
    }

    /// Sets whether a configured issuer is left alone because it fails, as read when metrics are asked for.
    pub fn set_breaker_open(&self, issuer: &str, is_open: bool) {
        self.breaker_open.get_or_create(&ByIssuer { issuer: Name(issuer.into()) }).set(i64::from(is_open));
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn by(provider: &Arc<str>) -> ByProvider {
    ByProvider { provider: Name(provider.clone()) }
}

fn provider_outcome(provider: &Arc<str>, failure: Option<&'static str>) -> ProviderOutcome {
    ProviderOutcome { provider: Name(provider.clone()), outcome: failure.unwrap_or("success") }
}

fn guard_outcome(guard: &Arc<str>, outcome: &'static str) -> GuardOutcome {
    GuardOutcome { guard: Name(guard.clone()), outcome }
}

fn counter<L>(registry: &mut Registry, name: &str, help: &str) -> Family<L, Counter>
where
    L: Clone + std::hash::Hash + Eq + EncodeLabelSet + fmt::Debug + Send + Sync + 'static,
{
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

fn seconds(registry: &mut Registry, name: &str, help: &str, first: Duration) -> Seconds {
    let histogram = Seconds::new(first);
    registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
    histogram
}

fn number(registry: &mut Registry, name: &str, help: &str) -> Family<ProviderLimit, Gauge<f64, AtomicU64>> {
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Family<ByProvider, Gauge<f64, AtomicU64>> {
    let family = Family::default();
    registry.register_with_unit(name, help, Unit::Seconds, family.clone());
    family
}

#[cfg(test)]
mod tests;
