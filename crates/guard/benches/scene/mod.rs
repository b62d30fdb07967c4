//! A guard with one issuer, and its tokens.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};
use bearward_guard::keys::algorithm_named;
use bearward_guard::loaders::Inline;
use bearward_guard::metadata::Description;
use bearward_guard::{
    Expectations, Guard, GuardSettings, KeySource, LimitSettings, Mode, Policy, Revocations, ScopePolicy,
    TrustedIssuer,
};
use bearward_observe::Observer;
use bearward_testbed::{Algorithm as SignWith, SigningKey, TokenBuilder};
use bearward_token::{Clock, SystemClock};
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tokio::runtime::Runtime;

const ISSUER: &str = "https://idp.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";

/// A good token of the issuer.
pub(crate) fn good(key: &Arc<SigningKey>) -> TokenBuilder {
    let now = SystemClock::new().unix_seconds();
    TokenBuilder::new(ISSUER, key.clone(), now)
        .audience(RESOURCE)
        .scope("mcp notes:read")
        .claim("org_id", "acme")
}

/// A guard that knows the issuer's keys and has fetched them for an unknown id once.
#[allow(dead_code, reason = "each bench uses what it measures")]
pub(crate) fn guard(runtime: &Runtime, key: &SigningKey, cache_ttl: Duration) -> Guard {
    guard_of(runtime, key, cache_ttl, |settings| settings)
}

/// The same, with more to do.
pub(crate) fn guard_of(
    runtime: &Runtime,
    key: &SigningKey,
    cache_ttl: Duration,
    more: impl FnOnce(GuardSettings) -> GuardSettings,
) -> Guard {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let document = json!({"keys": [key.public_jwk()]}).to_string();
    runtime.block_on(async {
        let source = KeySource::start(ISSUER.parse().unwrap(), Arc::new(Inline { document }), clock.clone());
        while source.generation() == 0 {
            tokio::task::yield_now().await;
        }
        // The first unknown key id causes a fetch; what is measured is what every further one costs.
        let _ = source.newer().await;
        let issuer = TrustedIssuer {
            issuer: ISSUER.parse().unwrap(),
            keys: Some(Arc::new(source)),
            opaque: None,
            algorithms: SignWith::ALL.map(|kind| algorithm_named(kind.name()).unwrap()).to_vec(),
            expectations: Expectations::for_audiences(vec![RESOURCE.into()]),
        };
        let settings = GuardSettings {
            name: "bench".into(),
            resource: RESOURCE.parse().unwrap(),
            realm: "mcp".into(),
            scopes: ScopePolicy::default(),
            policy: Policy::default(),
            revocations: Arc::new(Revocations::new(clock.clone())),
            limits: LimitSettings::default(),
            mode: Mode::default(),
            cache_ttl,
            cache_entries: 1000,
            pre_provisioned: false,
            description: Description::default(),
        };
        Guard::new(more(settings), vec![issuer], clock.clone(), Observer::new())
    })
}

/// A request with a token.
pub(crate) fn request(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    headers
}

/// The public half, parsed.
#[allow(dead_code, reason = "each bench uses what it measures")]
pub(crate) fn public(key: &SigningKey, kind: SignWith) -> ParsedPublicKey {
    let algorithm: &'static dyn VerificationAlgorithm = match kind {
        SignWith::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        SignWith::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        SignWith::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        SignWith::Ps256 => &RSA_PSS_2048_8192_SHA256,
        SignWith::Ps384 => &RSA_PSS_2048_8192_SHA384,
        SignWith::Ps512 => &RSA_PSS_2048_8192_SHA512,
        SignWith::Es256 => &ECDSA_P256_SHA256_FIXED,
        SignWith::Es384 => &ECDSA_P384_SHA384_FIXED,
        SignWith::EdDsa => &ED25519,
    };
    ParsedPublicKey::new(algorithm, key.public_der()).unwrap()
}
