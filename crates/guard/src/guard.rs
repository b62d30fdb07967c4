//! One guarded resource: takes a request's head, lets the caller in or says why not.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bearward_observe::{Event, Observer, Rejection, Tally};
use bearward_token::{Clock, Fingerprint, Principal, Resource};
use http::{HeaderMap, HeaderValue};

use crate::bearer::{MAX_TOKEN_BYTES, Presented, Unverified, in_header, presented};
use crate::cache::Cache;
use crate::limits::{LimitSettings, Limits, network_of};
use crate::message::Call;
use crate::metadata::{Description, ProtectedResource, well_known_path, well_known_url};
use crate::mode::Mode;
use crate::policy::Policy;
use crate::refusal::{Challenger, Refusal, Refused};
use crate::revocation::Revocations;
use crate::scopes::ScopePolicy;
use crate::verify::{TrustedIssuer, Verified, Verifier};

/// When a caller should come back while nothing can be said about its token.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a guard is built from. Parsed and judged before it gets here.
#[derive(Debug, Clone)]
pub struct GuardSettings {
    /// A short name for labels and logs, unique among guards.
    pub name: Arc<str>,
    /// The canonical URI of what is guarded.
    pub resource: Resource,
    /// Shown in challenges.
    pub realm: String,
    /// Scopes: needed, offered, implied.
    pub scopes: ScopePolicy,
    /// What single calls need.
    pub policy: Policy,
    /// What was revoked before its time.
    pub revocations: Arc<Revocations>,
    /// How much callers may ask.
    pub limits: LimitSettings,
    /// Whether it refuses at all, and whom.
    pub mode: Mode,
    /// How long a verified token is remembered; at most 60 s, zero: not at all.
    pub cache_ttl: Duration,
    /// How many verified tokens are remembered.
    pub cache_entries: u64,
    /// Tokens are handed out by other means: publish no authorization server (SPEC RS-2).
    pub pre_provisioned: bool,
    /// What the metadata document says beside.
    pub description: Description,
}

/// A guard. Shared by all connections.
#[derive(Debug)]
pub struct Guard {
    settings: GuardSettings,
    verifier: Verifier,
    cache: Cache,
    limits: Limits,
    challenger: Challenger,
    metadata: ProtectedResource,
    clock: Arc<dyn Clock>,
    observer: Observer,
    accepted: Tally,
}

impl Guard {
    /// Builds a guard for these issuers.
    pub fn new(
        settings: GuardSettings,
        issuers: Vec<TrustedIssuer>,
        clock: Arc<dyn Clock>,
        observer: Observer,
    ) -> Self {
        let published = issuers.iter().map(|trusted| &trusted.issuer).filter(|_| !settings.pre_provisioned);
        let supported = settings.scopes.supported();
        let metadata =
            ProtectedResource::new(&settings.resource, published, supported, &settings.description);
        let challenger =
            Challenger::new(&settings.realm, &well_known_url(&settings.resource), settings.scopes.required());
        Self {
            verifier: Verifier::new(issuers, clock.clone()),
            cache: Cache::new(settings.cache_entries, settings.cache_ttl, clock.clone()),
            limits: Limits::new(&settings.limits, clock.clone()),
            challenger,
            metadata,
            accepted: observer.metrics().accepted(&settings.name),
            clock,
            observer,
            settings,
        }
    }

    /// Judges a request by its head alone. Every request is judged by itself (SPEC RS-9). `address` is where it comes
    /// from, if that is known: one that presents too many bad tokens is not looked at for a while.
    ///
    /// # Errors
    /// The refusal to answer with. It has been counted and logged already.
    pub fn admit(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        address: Option<IpAddr>,
    ) -> impl Future<Output = Result<Verified, Refused>> + Send {
        self.admit_at(self.clock.monotonic(), headers, query, address)
    }

    /// The same for who has read the clock already: `now` is what its [`Clock::monotonic`] said when the request had come.
    ///
    /// # Errors
    /// As [`Guard::admit`].
    pub async fn admit_at(
        &self,
        now: Duration,
        headers: &HeaderMap,
        query: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Verified, Refused> {
        let outcome = match address.map_or(Ok(()), |address| self.limits.check_address(address)) {
            Ok(()) => self.judge(headers, query).await,
            Err(exceeded) => Err(Turned::from(Refusal::TooMany(exceeded))),
        };
        if let (Some(address), Err(turned)) = (address, &outcome)
            && matches!(turned.refusal, Refusal::InvalidToken(_) | Refusal::InvalidRequest(_))
        {
            self.limits.failed(address);
        }
        let took = self.clock.monotonic().saturating_sub(now);
        if !matches!(outcome, Ok((_, true))) {
            // A signature has taken as long as a whole request of those who are remembered: now they are first. And
            // signatures one after another, then what they let through one after another, wake those behind us once
            // instead of each time.
            tokio::task::yield_now().await;
        }
        match outcome {
            Ok((verified, cached)) => {
                self.observer.verified(took, || Event::AuthVerified {
                    guard: self.settings.name.clone(),
                    subject: verified.subject.clone(),
                    client: verified.client.clone(),
                    cached,
                    took,
                });
                Ok(verified)
            }
            Err(Turned { refusal, caller }) => {
                let is_enforced = match &caller {
                    Some(caller) => self.enforces_for(caller),
                    None => self.enforces_from(address),
                };
                Err(self.refused(refusal, caller, is_enforced))
            }
        }
    }

    /// Judges what an admitted caller asks for.
    ///
    /// # Errors
    /// The refusal to answer with. It has been counted and logged already.
    pub fn authorize(&self, caller: &Verified, calls: &[Call]) -> Result<(), Refused> {
        self.permits(caller, calls)
            .map_err(|refusal| self.refused(refusal, Some(caller.clone()), self.enforces_for(caller)))
    }

    /// Counts further calls that came in one request, as each of them would count by itself.
    ///
    /// # Errors
    /// The refusal to answer with. It has been counted and logged already.
    pub fn charge(&self, caller: &Verified, further: usize) -> Result<(), Refused> {
        let charged = (0..further).try_for_each(|_| self.limits.count(caller));
        charged.map_err(|exceeded| {
            self.refused(Refusal::TooMany(exceeded), Some(caller.clone()), self.enforces_for(caller))
        })
    }

    /// Whether there is a limit that callers can use up.
    pub fn limits_callers(&self) -> bool {
        self.settings.limits.is_for_callers()
    }

    /// Counts a request that was let through, and that nothing would have refused.
    pub fn accepted(&self) {
        self.observer.tally(&self.accepted, || Event::AuthAccepted { guard: self.settings.name.clone() });
    }

    /// Whether refusals count for an admitted caller.
    pub fn enforces_for(&self, caller: &Principal) -> bool {
        self.enforces(|| {
            format!("{}:{}{}", caller.issuer.as_str().len(), caller.issuer.as_str(), caller.subject)
        })
    }

    /// Whether refusals count for somebody of whom nothing is known but the network that a request comes from. What an
    /// unknown caller says of itself decides nothing: it would choose the side that suits it.
    pub fn enforces_from(&self, address: Option<IpAddr>) -> bool {
        self.enforces(|| address.map(|address| network_of(address).to_string()).unwrap_or_default())
    }

    fn enforces(&self, name: impl FnOnce() -> String) -> bool {
        self.settings.mode.enforces(self.settings.resource.as_str(), name)
    }

    fn refused(&self, refusal: Refusal, caller: Option<Verified>, is_enforced: bool) -> Refused {
        self.rejected(refusal.rejection(), is_enforced);
        Refused { refusal, caller, is_enforced }
    }

    /// Whether a caller could make a call, without counting anything.
    pub fn permits(&self, caller: &Principal, calls: &[Call]) -> Result<(), Refusal> {
        let needed = self.settings.policy.needed(calls);
        if let Some(needed) = self.settings.scopes.missing_for(&caller.scopes, &needed.scopes) {
            return Err(Refusal::InsufficientScope { needed });
        }
        if needed.has_roles(caller) { Ok(()) } else { Err(Refusal::Forbidden(Rejection::Role)) }
    }

    /// Counts and logs a refusal that was decided around the guard: a foreign origin, a foreign session.
    pub fn rejected(&self, reason: Rejection, is_enforced: bool) {
        self.observer.emit(Event::AuthRejected { guard: self.settings.name.clone(), reason, is_enforced });
    }

    /// Looks again at a token that was let in, counting nothing: for what lasts longer than a verdict may stand.
    pub async fn look_again(&self, authorization: &HeaderValue) -> Standing {
        let Ok(Some(token)) = in_header(authorization) else { return Standing::Gone };
        if let Some(verified) = self.cache.get(token) {
            return Standing::Holds(verified);
        }
        match self.verify(token).await {
            Ok(verified) => Standing::Holds(verified),
            // Its time is for whoever asks to keep: it may have been given some grace.
            Err(Refusal::Unavailable { .. } | Refusal::InvalidToken(Rejection::Expired)) => Standing::Unknown,
            Err(_) => Standing::Gone,
        }
    }

    /// Verifies a token and nothing else, counting nothing.
    pub(crate) async fn decide(&self, token: Unverified<'_>) -> Result<Verified, Rejection> {
        self.verifier.verify(token).await.map(|finding| finding.verified)
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The `WWW-Authenticate` value for a refusal.
    pub fn challenge(&self, refusal: &Refusal) -> Option<HeaderValue> {
        self.challenger.challenge(refusal)
    }

    /// The metadata document.
    pub fn metadata(&self) -> &ProtectedResource {
        &self.metadata
    }

    /// The path under which the metadata document is served.
    pub fn metadata_path(&self) -> String {
        well_known_path(&self.settings.resource)
    }

    /// How long the guard still remembers a token as good without looking at it again; `None`: it would verify it.
    /// What was revoked is refused all the same.
    pub fn remembers(&self, token: &Fingerprint) -> Option<Duration> {
        self.cache.remembers(token)
    }

    /// What it was built from.
    pub fn settings(&self) -> &GuardSettings {
        &self.settings
    }

    /// The issuers it trusts, for readiness.
    pub fn issuers(&self) -> &[Arc<TrustedIssuer>] {
        self.verifier.issuers()
    }

    async fn judge(&self, headers: &HeaderMap, query: Option<&str>) -> Result<(Verified, bool), Turned> {
        let token = match presented(headers, query) {
            Ok(Presented::Token(token)) => token,
            Ok(Presented::Nothing(reason)) => return Err(Refusal::NoToken(reason).into()),
            Err(reason) => return Err(Refusal::InvalidRequest(reason).into()),
        };
        if token.as_str().len() > MAX_TOKEN_BYTES {
            // Before anything reads all of it.
            return Err(Refusal::InvalidToken(Rejection::TooLarge).into());
        }
        let (verified, cached) = match self.cache.get(token) {
            Some(verified) => (verified, true),
            None if !token.is_well_formed() => {
                return Err(Refusal::InvalidRequest(Rejection::Malformed).into());
            }
            // Boxed: hardly any request waits for it, and each would have room for it.
            None => (Box::pin(self.verify(token)).await?, false),
        };
        match self.judge_verified(&verified) {
            Ok(()) => Ok((verified, cached)),
            Err(refusal) => Err(Turned { refusal, caller: Some(verified) }),
        }
    }

    fn judge_verified(&self, verified: &Verified) -> Result<(), Refusal> {
        if self.settings.revocations.is_revoked(verified) {
            return Err(Refusal::InvalidToken(Rejection::Revoked));
        }
        self.limits.count(verified).map_err(Refusal::TooMany)?;
        match self.settings.scopes.missing(&verified.scopes) {
            None => Ok(()),
            Some(needed) => Err(Refusal::InsufficientScope { needed }),
        }
    }

    async fn verify(&self, token: Unverified<'_>) -> Result<Verified, Refusal> {
        match self.verifier.verify(token).await {
            Ok(finding) => {
                let verified = finding.verified.clone();
                self.cache.insert(token, finding);
                Ok(verified)
            }
            Err(reason @ (Rejection::KeysUnavailable | Rejection::IntrospectionUnavailable)) => {
                Err(Refusal::Unavailable { reason, retry_after: RETRY_AFTER })
            }
            Err(Rejection::Subject) => Err(Refusal::Forbidden(Rejection::Subject)),
            Err(reason) => Err(Refusal::InvalidToken(reason)),
        }
    }
}

/// Whether a token still holds.
#[derive(Debug)]
pub enum Standing {
    /// It does, for this caller.
    Holds(Verified),
    /// It does not.
    Gone,
    /// That cannot be told now.
    Unknown,
}

/// A refusal, and who was refused, where the token itself was good.
struct Turned {
    refusal: Refusal,
    caller: Option<Verified>,
}

impl From<Refusal> for Turned {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, caller: None }
    }
}

#[cfg(test)]
pub(crate) mod tests;
