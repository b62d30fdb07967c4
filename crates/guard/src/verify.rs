//! From a text that came in to a principal: every check, in one order, in one place.
//!
//! Cheap refusals come first and touch no key (HARD 26): shape, header, algorithm, issuer. Then the
//! signature, then what the claims say.

use std::sync::Arc;

use bearward_observe::Rejection;
use bearward_token::{Clock, Issuer, Principal};

use crate::bearer::Unverified;
use crate::claims::Expectations;
use crate::jwt::Jwt;
use crate::key_source::{KeySource, Snapshot};
use crate::keys::Algorithm;

/// A principal that a verifier vouches for. There is no other way to make one.
#[derive(Debug, Clone)]
pub struct Verified {
    principal: Arc<Principal>,
    dies_at_ms: u64,
}

impl Verified {
    /// The principal, to be shared.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The moment from which its token counts no more, clock skew included, in milliseconds since the Unix
    /// epoch.
    pub fn dies_at_ms(&self) -> u64 {
        self.dies_at_ms
    }
}

impl std::ops::Deref for Verified {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

/// An authorization server whose tokens a guard accepts.
#[derive(Debug)]
pub struct TrustedIssuer {
    /// Its keys; guards that trust the same issuer share them.
    pub keys: Arc<KeySource>,
    /// What it may sign with.
    pub algorithms: Vec<Algorithm>,
    /// What its tokens must say.
    pub expectations: Expectations,
}

impl TrustedIssuer {
    /// Its identifier.
    pub fn issuer(&self) -> &Issuer {
        self.keys.issuer()
    }
}

/// Verifies tokens of several issuers for one resource.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<Arc<TrustedIssuer>>,
    clock: Arc<dyn Clock>,
}

/// What one verification found, with what a cache must know to doubt it later.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) verified: Verified,
    /// Which issuer, and under which generation of its keys.
    pub(crate) issuer: Arc<TrustedIssuer>,
    pub(crate) generation: u64,
}

impl Finding {
    /// True while the keys that it was verified with are still the issuer's.
    pub(crate) fn is_current(&self) -> bool {
        self.issuer.keys.generation() == self.generation
    }
}

impl Verifier {
    /// A verifier for these issuers.
    pub fn new(issuers: Vec<TrustedIssuer>, clock: Arc<dyn Clock>) -> Self {
        Self { issuers: issuers.into_iter().map(Arc::new).collect(), clock }
    }

    /// The issuers it trusts.
    pub fn issuers(&self) -> &[Arc<TrustedIssuer>] {
        &self.issuers
    }

    /// Verifies one token. Waits only when its key is unknown and a fetch of newer keys is due.
    pub(crate) async fn verify(&self, token: Unverified<'_>) -> Result<Finding, Rejection> {
        let jwt = Jwt::parse(token)?;
        let issuer = self.issuer_of(&jwt)?;
        if !issuer.algorithms.contains(&jwt.algorithm) {
            return Err(Rejection::Algorithm);
        }
        issuer.expectations.check_type(jwt.typ.as_deref())?;
        let generation = check_signature(&jwt, issuer).await?;
        let principal =
            issuer.expectations.check(issuer.issuer(), &jwt.header, jwt.claims, self.clock.unix_ms())?;
        let dies_at_ms = dies_at_ms(&principal, &issuer.expectations);
        Ok(Finding {
            verified: Verified { principal: Arc::new(principal), dies_at_ms },
            issuer: issuer.clone(),
            generation,
        })
    }

    /// The issuer that the token names decides which keys are tried. Compared byte for byte; that the
    /// claim is not yet verified is no harm, since its own keys must then verify it.
    fn issuer_of(&self, jwt: &Jwt<'_>) -> Result<&Arc<TrustedIssuer>, Rejection> {
        let named = jwt.claims.get("iss").and_then(serde_json::Value::as_str).ok_or(Rejection::Issuer)?;
        self.issuers.iter().find(|issuer| issuer.issuer().as_str() == named).ok_or(Rejection::Issuer)
    }
}

async fn check_signature(jwt: &Jwt<'_>, issuer: &TrustedIssuer) -> Result<u64, Rejection> {
    let known = issuer.keys.snapshot();
    match check_with(jwt, &known) {
        Err(Rejection::UnknownKey) => {}
        decided => return decided,
    }
    match issuer.keys.newer().await {
        Some(newer) => check_with(jwt, &newer),
        None => Err(Rejection::UnknownKey),
    }
    .map_err(|rejection| {
        // Without any key nothing can be said about the token: that is our failure, not the caller's.
        if issuer.keys.generation() == 0 { Rejection::KeysUnavailable } else { rejection }
    })
}

fn check_with(jwt: &Jwt<'_>, snapshot: &Snapshot) -> Result<u64, Rejection> {
    let mut tried = false;
    for key in snapshot.keys.candidates(jwt.kid.as_deref(), jwt.algorithm) {
        tried = true;
        if key.verify(jwt.algorithm, jwt.message, jwt.signature) {
            return Ok(snapshot.generation);
        }
    }
    if tried {
        return Err(Rejection::Signature);
    }
    // The id is known but its key is of another kind: new keys would not help.
    let is_known = jwt.kid.as_deref().is_some_and(|kid| snapshot.keys.knows(kid));
    Err(if is_known { Rejection::Algorithm } else { Rejection::UnknownKey })
}

fn dies_at_ms(principal: &Principal, expectations: &Expectations) -> u64 {
    let skew = u64::try_from(expectations.skew.as_millis()).unwrap_or(0);
    principal.expires_at.saturating_mul(1000).saturating_add(skew)
}
