//! Every kind of token at a guard: the good one comes in, each bad one is refused for its own reason.

use std::sync::Arc;
use std::time::Duration;

use bearward_observe::{Observer, Rejection};
use bearward_testbed::{Algorithm as SignWith, SigningKey, TokenBuilder};
use bearward_token::ManualClock;
use http::header::AUTHORIZATION;
use serde_json::json;

use super::*;
use crate::claims::Expectations;
use crate::key_source::{KeyLoader, KeySource, LoadError, LoadedKeys, Loading};
use crate::keys::{Algorithm, KeySet};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://idp.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";

/// A key server in memory, which counts and can be down.
#[derive(Debug, Default)]
struct KeyServer {
    keys: std::sync::Mutex<Vec<Arc<SigningKey>>>,
    is_down: std::sync::atomic::AtomicBool,
    loads: std::sync::atomic::AtomicU64,
}

impl KeyServer {
    fn publish(&self, keys: &[&Arc<SigningKey>]) {
        *self.keys.lock().unwrap() = keys.iter().map(|key| (*key).clone()).collect();
    }

    fn loads(&self) -> u64 {
        self.loads.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, std::sync::atomic::Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Loader(Arc<KeyServer>);

impl KeyLoader for Loader {
    fn load(&self) -> Loading<'_> {
        self.0.loads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if self.0.is_down.load(std::sync::atomic::Ordering::SeqCst) {
            return Box::pin(async { Err(LoadError("no answer".into())) });
        }
        let keys: Vec<_> = self.0.keys.lock().unwrap().iter().map(|key| key.public_jwk()).collect();
        let document = json!({ "keys": keys }).to_string();
        Box::pin(async move {
            let keys = KeySet::parse(document.as_bytes()).map_err(|e| LoadError(e.to_string()))?;
            Ok(LoadedKeys { keys, max_age: Some(Duration::from_secs(600)) })
        })
    }
}

/// A guard with everything it touches.
pub(crate) struct Scene {
    pub(crate) guard: Guard,
    clock: Arc<ManualClock>,
    server: Arc<KeyServer>,
    key: Arc<SigningKey>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}, true).await
    }

    async fn with(bend: impl FnOnce(&mut GuardSettings), up: bool) -> Self {
        let key = Arc::new(SigningKey::generate(SignWith::EdDsa));
        let clock = Arc::new(ManualClock::at_unix_ms(NOW * 1000));
        let server = Arc::new(KeyServer::default());
        server.publish(&[&key]);
        server.set_down(!up);
        let keys = Arc::new(KeySource::start(
            ISSUER.parse().unwrap(),
            Arc::new(Loader(server.clone())),
            clock.clone(),
        ));
        let issuer = TrustedIssuer {
            issuer: ISSUER.parse().unwrap(),
            keys: Some(keys),
            opaque: None,
            algorithms: vec![Algorithm::EdDSA, Algorithm::RS256, Algorithm::ES256],
            expectations: Expectations::for_audiences(vec![RESOURCE.into()]),
        };
        let mut settings = GuardSettings {
            name: "mcp".into(),
            resource: RESOURCE.parse().unwrap(),
            realm: "mcp".into(),
            scopes: ScopePolicy::default(),
            policy: Policy::default(),
            limits: LimitSettings::default(),
            mode: Mode::default(),
            revocations: Arc::new(Revocations::new(clock.clone())),
            cache_ttl: Duration::from_secs(60),
            cache_entries: 1000,
            pre_provisioned: false,
            description: Description::default(),
        };
        bend(&mut settings);
        let scene = Self {
            guard: Guard::new(settings, vec![issuer], clock.clone(), Observer::new()),
            clock,
            server,
            key,
        };
        scene.settle(1).await;
        scene
    }

    /// Lets the key task come to rest after its `loads`-th fetch.
    async fn settle(&self, loads: u64) {
        while self.server.loads() < loads || self.clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn token(&self) -> TokenBuilder {
        TokenBuilder::new(ISSUER, self.key.clone(), NOW).audience(RESOURCE)
    }

    async fn present(&self, token: &str) -> Result<Verified, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        self.guard.admit(&headers, None, None).await.map_err(|refused| refused.refusal)
    }

    pub(crate) async fn refusal(&self, token: &str) -> Refusal {
        self.present(token).await.expect_err("the token must be refused")
    }
}

// SPEC RS-5
#[tokio::test]
async fn a_good_token_comes_in_and_says_who_it_is() {
    let scene = Scene::new().await;
    let token = scene.token().scope("mcp notes").claim("sid", "s1").claim("org_id", "acme").build();
    let caller = scene.present(&token).await.unwrap();
    assert_eq!(&*caller.subject, "alice");
    assert_eq!(caller.client.as_deref(), Some("test-client"));
    assert_eq!(caller.tenant.as_deref(), Some("acme"));
    assert_eq!(caller.session_id.as_deref(), Some("s1"));
    assert!(caller.scopes.contains("notes"));
}

// SPEC RS-5, JW-1, JW-4, JW-5
#[tokio::test]
async fn every_bad_token_is_refused_for_its_own_reason() {
    let scene = Scene::new().await;
    let stranger = Arc::new(SigningKey::generate(SignWith::EdDsa));
    let rsa = Arc::new(SigningKey::generate_as(SignWith::Rs256, scene.key.kid()));
    let good = || scene.token();
    let claims =
        |more: &str| format!(r#"{{"iss":"{ISSUER}","aud":"{RESOURCE}","sub":"a","exp":{}{more}}}"#, NOW + 60);
    use Rejection::*;
    let cases: Vec<(&str, String, Rejection)> = vec![
        ("garbage", "garbage".into(), Malformed),
        ("two parts", "a.b".into(), Malformed),
        ("four parts", format!("{}.x", good().build()), Malformed),
        ("no JSON", "YQ.YQ.YQ".into(), Malformed),
        ("too long", good().claim("x", "y".repeat(20_000)).build(), TooLarge),
        ("no signature", good().unsigned().build(), Signature),
        ("none with a signature", good().header("alg", "none").build(), Algorithm),
        ("HMAC with the public key", good().signed_with_public_key_as_secret().build(), Algorithm),
        ("noise as signature", good().with_garbage_signature().build(), Signature),
        ("another key under the same id", good().forged_with(stranger.clone()).build(), Signature),
        ("another kind of key", good().forged_with(rsa).header("alg", "RS256").build(), Algorithm),
        ("crit", good().header("crit", json!(["exp"])).build(), Malformed),
        ("b64", good().header("b64", false).build(), Malformed),
        ("own key", good().header("jwk", stranger.public_jwk()).forged_with(stranger).build(), Malformed),
        ("key URL", good().header("jku", "https://evil.example/jwks").build(), Malformed),
        ("certificate", good().header("x5c", json!(["x"])).build(), Malformed),
        ("kid is a number", good().header("kid", 7).build(), Malformed),
        ("other issuer", good().claim("iss", "https://evil.example").build(), Issuer),
        ("issuer with a slash", good().claim("iss", format!("{ISSUER}/")).build(), Issuer),
        ("issuer is a list", good().claim("iss", json!([ISSUER])).build(), Issuer),
        ("other audience", good().audience("https://other.example/mcp").build(), Audience),
        ("audience with a slash", good().audience(&format!("{RESOURCE}/")).build(), Audience),
        ("no audience", good().without("aud").build(), Audience),
        ("expired", good().claim("exp", NOW - 31).build(), Expired),
        ("no expiry", good().without("exp").build(), Claims),
        ("expiry is text", good().claim("exp", "tomorrow").build(), Claims),
        ("expiry is negative", good().claim("exp", -1).build(), Claims),
        ("expiry is beyond time", good().claim("exp", 1e300).build(), Claims),
        ("not yet", good().claim("nbf", NOW + 31).build(), NotYetValid),
        ("issued in the future", good().claim("iat", NOW + 31).build(), NotYetValid),
        ("ID token", good().claim("nonce", "n").build(), TokenType),
        ("ID token, too", good().claim("at_hash", "h").build(), TokenType),
        ("logout token", good().header("typ", "logout+jwt").build(), TokenType),
        ("no type", good().without_header("typ").build(), TokenType),
        ("no subject", good().without("sub").build(), Claims),
        ("subject is a number", good().claim("sub", 7).build(), Claims),
        ("doubled subject", good().build_with_raw_claims(&claims(r#","sub":"b""#)), Malformed),
        ("doubled audience", good().build_with_raw_claims(&claims(r#","aud":"b""#)), Malformed),
    ];
    for (name, token, reason) in cases {
        assert_eq!(scene.refusal(&token).await.rejection(), reason, "{name}");
    }
    assert!(scene.present(&good().build_with_raw_claims(&claims(""))).await.is_ok());
    assert!(scene.present(&good().build()).await.is_ok(), "the good one still comes in");
}

// SPEC JW-4
#[tokio::test]
async fn every_accepted_spelling_comes_in() {
    let scene = Scene::new().await;
    let audiences = json!(["https://other.example", RESOURCE]);
    for token in [
        scene.token().claim("aud", audiences).build(),
        scene.token().without("aud").claim("resource", RESOURCE).build(),
        scene.token().header("typ", "JWT").build(),
        scene.token().header("typ", "application/AT+JWT").build(),
        scene.token().without_header("kid").build(),
        scene.token().claim("nbf", NOW + 30).build(),
        scene.token().claim("exp", (NOW - 30) as f64 + 0.5).build(),
    ] {
        assert!(scene.present(&token).await.is_ok());
    }
}

// SPEC JW-4, HARD 25
#[tokio::test]
async fn a_token_dies_at_its_expiry_plus_skew_to_the_millisecond_also_out_of_the_cache() {
    let scene = Scene::new().await;
    let token = scene.token().claim("exp", NOW + 10).build();
    assert!(scene.present(&token).await.is_ok());
    scene.clock.advance(Duration::from_millis(39_999));
    assert!(scene.present(&token).await.is_ok());
    scene.clock.advance(Duration::from_millis(1));
    assert_eq!(scene.refusal(&token).await, Refusal::InvalidToken(Rejection::Expired));
}

// SPEC RS-3, RS-4, RS-6
#[tokio::test]
async fn each_refusal_has_its_status_and_its_challenge() {
    let needs =
        ScopePolicy::new("mcp notes offline_access".parse().unwrap(), Default::default(), Default::default());
    let scene = Scene::with(|settings| settings.scopes = needs, true).await;
    let none = scene.guard.admit(&HeaderMap::new(), None, None).await.unwrap_err().refusal;
    let in_query =
        scene.guard.admit(&HeaderMap::new(), Some("access_token=x"), None).await.unwrap_err().refusal;
    let mut two = HeaderMap::new();
    two.append(AUTHORIZATION, "Bearer a".parse().unwrap());
    two.append(AUTHORIZATION, "Bearer b".parse().unwrap());
    let two = scene.guard.admit(&two, None, None).await.unwrap_err().refusal;
    let expired = scene.refusal(&scene.token().claim("exp", 1).build()).await;
    let scope = scene.refusal(&scene.token().scope("mcp").build()).await;
    let mut shown = String::new();
    for (name, refusal) in
        [("none", none), ("query", in_query), ("two", two), ("expired", expired), ("scope", scope)]
    {
        let challenge = scene.guard.challenge(&refusal).unwrap();
        shown += &format!("{name}: {}\n  {}\n", refusal.status(), challenge.to_str().unwrap());
    }
    insta::assert_snapshot!(shown);
}

// SPEC RS-1, RS-2, RS-7
#[tokio::test]
async fn the_metadata_names_the_resource_byte_for_byte() {
    let scopes =
        ScopePolicy::new("mcp".parse().unwrap(), "mcp offline_access x".parse().unwrap(), Default::default());
    let scene = Scene::with(|settings| settings.scopes = scopes, true).await;
    insta::assert_json_snapshot!(scene.guard.metadata());
    assert_eq!(scene.guard.metadata_path(), "/.well-known/oauth-protected-resource/mcp");

    let handed_out = Scene::with(|settings| settings.pre_provisioned = true, true).await;
    assert!(handed_out.guard.metadata().authorization_servers.is_empty());
}

// HARD 21, SPEC JW-2
#[tokio::test]
async fn a_burst_of_unknown_key_ids_costs_one_fetch_and_harms_nobody() {
    let scene = Scene::new().await;
    let good = scene.token().build();
    assert!(scene.present(&good).await.is_ok());
    for n in 0..200 {
        let refusal = scene.refusal(&scene.token().header("kid", format!("unknown-{n}")).build()).await;
        assert_eq!(refusal, Refusal::InvalidToken(Rejection::UnknownKey));
    }
    assert_eq!(scene.server.loads(), 2, "the first fetch, and one for the burst");
    assert!(scene.present(&good).await.is_ok());

    scene.clock.advance(Duration::from_secs(30));
    scene.refusal(&scene.token().header("kid", "unknown").build()).await;
    assert_eq!(scene.server.loads(), 3, "one more after the cooldown");
}

// SPEC JW-2
#[tokio::test]
async fn a_token_under_a_new_key_comes_in_at_once() {
    let scene = Scene::new().await;
    let next = Arc::new(SigningKey::generate(SignWith::Es256));
    scene.server.publish(&[&scene.key, &next]);
    let token = TokenBuilder::new(ISSUER, next, NOW).audience(RESOURCE).build();
    assert!(scene.present(&token).await.is_ok());
    assert_eq!(scene.server.loads(), 2);
}

// SPEC JW-3, HARD 23
#[tokio::test]
async fn a_withdrawn_key_stops_working_with_the_next_refresh_also_for_cached_tokens() {
    let scene = Scene::with(|settings| settings.cache_ttl = Duration::from_secs(60), true).await;
    let next = Arc::new(SigningKey::generate(SignWith::EdDsa));
    let token = scene.token().build();
    scene.clock.advance(Duration::from_secs(590));
    assert!(scene.present(&token).await.is_ok());
    scene.server.publish(&[&next]);
    scene.clock.advance(Duration::from_secs(10));
    scene.settle(2).await;
    assert_eq!(scene.refusal(&token).await, Refusal::InvalidToken(Rejection::UnknownKey));
}

// HARD 22
#[tokio::test]
async fn with_the_key_server_down_for_hours_known_keys_still_verify_and_readiness_says_so() {
    use bearward_observe::Condition;
    let scene = Scene::new().await;
    scene.server.set_down(true);
    for _ in 0..200 {
        scene.clock.advance(Duration::from_secs(60));
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    assert!(scene.server.loads() > 10, "it keeps trying");
    let token = scene.token().claim("exp", NOW + 100_000).claim("iat", NOW).build();
    assert!(scene.present(&token).await.is_ok());
    let condition = scene.guard.issuers()[0].keys.as_ref().unwrap().condition();
    assert!(matches!(condition, Condition::Degraded { .. }), "{condition:?}");
}

// HARD 18
#[tokio::test]
async fn with_the_key_server_down_at_start_nobody_is_sent_to_log_in_and_it_recovers_alone() {
    use bearward_observe::Condition;
    let scene = Scene::with(|_| {}, false).await;
    let token = scene.token().build();
    assert!(matches!(scene.guard.issuers()[0].keys.as_ref().unwrap().condition(), Condition::Down { .. }));

    let refused = scene.present(&token);
    tokio::pin!(refused);
    // A caller waits for a fetch that is due; here it fails at once.
    let refusal = refused.await.unwrap_err();
    assert_eq!(refusal.status(), http::StatusCode::SERVICE_UNAVAILABLE);
    assert!(scene.guard.challenge(&refusal).is_none());

    scene.server.set_down(false);
    let before = scene.server.loads();
    scene.clock.advance(Duration::from_secs(60));
    scene.settle(before + 1).await;
    assert!(scene.present(&token).await.is_ok());
}

// HARD 24
#[tokio::test]
async fn the_cache_answers_for_the_very_token_alone_and_no_longer_than_its_time() {
    let scene = Scene::with(|settings| settings.cache_ttl = Duration::from_secs(10), true).await;
    let token = scene.token().build();
    let verified = scene.present(&token).await.unwrap();
    let again = scene.present(&token).await.unwrap();
    assert!(Arc::ptr_eq(verified.principal(), again.principal()), "remembered");

    let mut tampered = token.clone();
    let last = tampered.pop().unwrap();
    tampered.push(if last == 'A' { 'B' } else { 'A' });
    assert!(scene.present(&tampered).await.is_err());

    scene.clock.advance(Duration::from_secs(10));
    let later = scene.present(&token).await.unwrap();
    assert!(!Arc::ptr_eq(verified.principal(), later.principal()), "verified anew");
}

#[tokio::test]
async fn who_is_remembered_goes_on_at_once_and_who_is_not_lets_others_go_first() {
    let scene = Scene::new().await;
    let (good, expired) = (scene.token().build(), scene.token().claim("exp", NOW - 600).build());
    for (token, is_at_once) in [(&good, false), (&good, true), (&expired, false), (&expired, false)] {
        let mut presenting = std::pin::pin!(scene.present(token));
        let first = futures_util::poll!(presenting.as_mut());
        assert_eq!(first.is_ready(), is_at_once);
        if first.is_pending() {
            assert_eq!(presenting.await.is_ok(), token == &good);
        }
    }
}
