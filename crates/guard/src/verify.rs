//! From a text that came in to a principal: every check, in one order, in one place.
//!
//! Cheap refusals come first and touch no key (HARD 26): shape, header, algorithm, issuer. Then the
//! signature, then what the claims say.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_observe::Rejection;
use bearward_token::{Clock, Issuer, Principal};
use serde_json::{Map, Value};

use crate::bearer::{MAX_TOKEN_BYTES, Unverified};
use crate::cache::MAX_TTL;
use crate::claims::{Expectations, Kind};
use crate::jwt::Jwt;
use crate::key_source::{KeySource, Snapshot};
use crate::keys::Algorithm;
use crate::opaque::OpaqueTokens;

/// A principal that a verifier vouches for. There is no other way to make one.
#[derive(Debug, Clone)]
pub struct Verified {
    principal: Arc<Principal>,
    dies_at_ms: u64,
    has_end: bool,
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

    /// False for an opaque token whose issuer does not say when it ends: it lives until the issuer says that it does not.
    pub fn has_end(&self) -> bool {
        self.has_end
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
    /// Its identifier.
    pub issuer: Issuer,
    /// Its keys; guards that trust the same issuer share them. `None`: none of its JWTs is accepted.
    pub keys: Option<Arc<KeySource>>,
    /// Asks about its opaque tokens; `None`: none is accepted.
    pub opaque: Option<Arc<OpaqueTokens>>,
    /// What it may sign with.
    pub algorithms: Vec<Algorithm>,
    /// What its tokens must say.
    pub expectations: Expectations,
}

/// Verifies tokens of several issuers for one resource.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<Arc<TrustedIssuer>>,
    takes_opaque: bool,
    clock: Arc<dyn Clock>,
}

/// What one verification found, with what a cache must know to doubt it later.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) verified: Verified,
    /// Under which keys, and their generation; `None` for an opaque token.
    pub(crate) keys: Option<(Arc<KeySource>, u64)>,
}

impl Finding {
    /// True while the keys that it was verified with are still the issuer's.
    pub(crate) fn is_current(&self) -> bool {
        self.keys.as_ref().is_none_or(|(keys, generation)| keys.generation() == *generation)
    }
}

impl Verifier {
    /// A verifier for these issuers.
    pub fn new(issuers: Vec<TrustedIssuer>, clock: Arc<dyn Clock>) -> Self {
        let takes_opaque = issuers.iter().any(|issuer| issuer.opaque.is_some());
        Self { issuers: issuers.into_iter().map(Arc::new).collect(), takes_opaque, clock }
    }

    /// The issuers it trusts.
    pub fn issuers(&self) -> &[Arc<TrustedIssuer>] {
        &self.issuers
    }

    /// Verifies one token. Waits when its key is unknown and a fetch of newer keys is due, or when its issuer must be
    /// asked.
    ///
    /// What looks like a JWT is one and is never sent to anybody; what does not is asked about where its prefix says.
    pub(crate) async fn verify(&self, token: Unverified<'_>) -> Result<Finding, Rejection> {
        if self.takes_opaque && !is_jwt_shaped(token) {
            return self.verify_opaque(token).await;
        }
        let jwt = Jwt::parse(token)?;
        let (issuer, keys) = self.issuer_of(&jwt)?;
        if !issuer.algorithms.contains(&jwt.algorithm) {
            return Err(Rejection::Algorithm);
        }
        issuer.expectations.check_type(jwt.typ.as_deref())?;
        let generation = check_signature(&jwt, keys).await?;
        let now = self.clock.unix_ms();
        let principal = issuer.expectations.check(&issuer.issuer, &jwt.header, jwt.claims, Kind::Jwt, now)?;
        Ok(Finding::new(principal, &issuer.expectations, Some((keys.clone(), generation))))
    }

    async fn verify_opaque(&self, token: Unverified<'_>) -> Result<Finding, Rejection> {
        if token.as_str().len() > MAX_TOKEN_BYTES {
            return Err(Rejection::TooLarge);
        }
        let fitting = self.issuers.iter().filter_map(|issuer| {
            let opaque = issuer.opaque.as_ref()?;
            opaque.fits(token).map(|fit| (fit, issuer, opaque))
        });
        let (_, issuer, opaque) = fitting.max_by_key(|(fit, ..)| *fit).ok_or(Rejection::Malformed)?;
        let mut claims = opaque.claims(token).await?;
        let now = self.clock.unix_ms();
        let has_end = claims.contains_key("exp");
        if !has_end {
            // RFC 7662 does not demand it. Nothing is remembered for longer anyway.
            claims.insert("exp".into(), (now / 1000 + MAX_TTL.as_secs()).into());
        }
        let principal =
            issuer.expectations.check(&issuer.issuer, &Map::new(), claims.into(), Kind::Opaque, now)?;
        let mut finding = Finding::new(principal, &issuer.expectations, None);
        finding.verified.has_end = has_end;
        Ok(finding)
    }

    /// The issuer that the token names decides which keys are tried. Compared byte for byte; that the
    /// claim is not yet verified is no harm, since its own keys must then verify it.
    fn issuer_of(&self, jwt: &Jwt<'_>) -> Result<(&Arc<TrustedIssuer>, &Arc<KeySource>), Rejection> {
        let named = jwt.claims.get("iss").and_then(Value::as_str).ok_or(Rejection::Issuer)?;
        let issuer = self.issuers.iter().find(|issuer| issuer.issuer.as_str() == named);
        issuer.and_then(|issuer| Some((issuer, issuer.keys.as_ref()?))).ok_or(Rejection::Issuer)
    }
}

/// Verifies the signature of a JWT that one of several issuers sends, of one of these types; returns which, what was
/// said beside it, and the claims, which are the caller's to judge.
pub(crate) async fn signed_by_one<'a, T>(
    token: Unverified<'_>,
    issuers: impl Iterator<Item = (&'a Arc<TrustedIssuer>, T)>,
    types: &[&str],
) -> Result<(&'a Arc<TrustedIssuer>, T, Map<String, Value>), Rejection> {
    let jwt = Jwt::parse(token)?;
    let named = jwt.claims.get("iss").and_then(Value::as_str).ok_or(Rejection::Issuer)?;
    let mut issuers = issuers;
    let (issuer, beside) =
        issuers.find(|(issuer, _)| issuer.issuer.as_str() == named).ok_or(Rejection::Issuer)?;
    let keys = issuer.keys.as_ref().ok_or(Rejection::Issuer)?;
    if !issuer.algorithms.contains(&jwt.algorithm) {
        return Err(Rejection::Algorithm);
    }
    let typ = jwt.typ.as_deref().ok_or(Rejection::TokenType)?;
    if !types.iter().any(|known| known.eq_ignore_ascii_case(typ)) {
        return Err(Rejection::TokenType);
    }
    check_signature(&jwt, keys).await?;
    Ok((issuer, beside, jwt.claims.into_map()))
}

impl Finding {
    #[cfg(test)]
    pub(crate) fn replace_claims(&mut self, claims: Map<String, Value>) {
        Arc::make_mut(&mut self.verified.principal).claims = Arc::new(claims.into());
    }

    /// Of somebody, until then.
    #[cfg(test)]
    pub(crate) fn for_tests(principal: Principal, dies_at_ms: u64) -> Self {
        Self { verified: Verified { principal: Arc::new(principal), dies_at_ms, has_end: true }, keys: None }
    }

    fn new(principal: Principal, expectations: &Expectations, keys: Option<(Arc<KeySource>, u64)>) -> Self {
        let dies_at_ms = dies_at_ms(&principal, expectations);
        Self { verified: Verified { principal: Arc::new(principal), dies_at_ms, has_end: true }, keys }
    }
}

/// Three parts, the first of which is base64url of a JSON object: whatever else it is, it is somebody's JWT.
pub(crate) fn is_jwt_shaped(token: Unverified<'_>) -> bool {
    let parts: Vec<_> = token.as_str().split('.').take(6).collect();
    let header = parts.first().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
    (parts.len() == 3 || parts.len() == 5) && header.is_some_and(|header| header.first() == Some(&b'{'))
}

/// Whether a key of the issuer made the signature.
pub(crate) async fn signature_of(jwt: &Jwt<'_>, issuer: &TrustedIssuer) -> Result<(), Rejection> {
    let keys = issuer.keys.as_ref().ok_or(Rejection::Issuer)?;
    check_signature(jwt, keys).await.map(drop)
}

async fn check_signature(jwt: &Jwt<'_>, keys: &KeySource) -> Result<u64, Rejection> {
    let known = keys.snapshot();
    match check_with(jwt, &known) {
        Err(Rejection::UnknownKey) => {}
        decided => return decided,
    }
    match keys.newer().await {
        Some(newer) => check_with(jwt, &newer),
        None => Err(Rejection::UnknownKey),
    }
    .map_err(|rejection| {
        // Without any key nothing can be said about the token: that is our failure, not the caller's.
        if keys.generation() == 0 { Rejection::KeysUnavailable } else { rejection }
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
