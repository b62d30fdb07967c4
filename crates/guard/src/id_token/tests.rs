use bearward_testbed::{Algorithm as SignWith, SigningKey, TokenBuilder};
use bearward_token::ManualClock;
use serde_json::json;

use super::*;
use crate::claims::Expectations;
use crate::key_source::KeySource;
use crate::loaders::Inline;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://idp.example";
const NONCE: &str = "n-0S6_WzA2Mj";

struct Scene {
    tokens: IdTokens,
    key: Arc<SigningKey>,
    access: AccessToken,
}

impl Scene {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(NOW * 1000));
        let key = Arc::new(SigningKey::generate(SignWith::Es256));
        let document = json!({"keys": [key.public_jwk()]}).to_string();
        let keys = KeySource::start(ISSUER.parse().unwrap(), Arc::new(Inline { document }), clock.clone());
        let issuer = Arc::new(TrustedIssuer {
            issuer: ISSUER.parse().unwrap(),
            keys: Some(Arc::new(keys)),
            opaque: None,
            algorithms: vec![Algorithm::ES256],
            expectations: Expectations::for_audiences(Vec::new()),
        });
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        Self {
            tokens: IdTokens::new(issuer, "app", clock),
            key,
            access: AccessToken::new("the-access-token"),
        }
    }

    /// A good one, as OpenID Connect Core §2 has it.
    fn good(&self) -> TokenBuilder {
        let token = TokenBuilder::new(ISSUER, self.key.clone(), NOW).header("typ", "JWT").audience("app");
        token.without("client_id").claim("nonce", NONCE).claim("sid", "s-1")
    }

    async fn verify(&self, token: TokenBuilder) -> Result<SignedIn, Rejection> {
        let asked = Asked { nonce: NONCE, access_token: &self.access };
        self.tokens.verify(&token.build(), asked).await
    }
}

#[tokio::test]
async fn a_good_id_token_tells_who_has_signed_in() {
    let scene = Scene::new().await;
    let alice = scene.verify(scene.good()).await.unwrap();
    assert_eq!((alice.subject.as_str(), alice.session_id.as_deref()), ("alice", Some("s-1")));
    let hash = at_hash(Algorithm::ES256, &scene.access);
    let as_others_have_it = scene.good().claim("at_hash", hash).claim("azp", "app").without("sid");
    let as_others_have_it = as_others_have_it.claim("aud", json!(["app", "https://api.example"]));
    assert_eq!(scene.verify(as_others_have_it).await.unwrap().session_id, None);
    let untyped = scene.good().without_header("typ");
    assert!(scene.verify(untyped).await.is_ok());
}

#[tokio::test]
async fn what_is_not_ours_or_not_this_logins_is_refused_for_its_own_reason() {
    let scene = Scene::new().await;
    let other_key = Arc::new(SigningKey::generate(SignWith::Es256));
    let forged =
        TokenBuilder::new(ISSUER, other_key, NOW).header("kid", scene.key.kid()).header("typ", "JWT");
    let forged = forged.audience("app").claim("nonce", NONCE);
    let cases = [
        ("another issuer", scene.good().claim("iss", "https://idp.example/"), Rejection::Issuer),
        ("another client", scene.good().audience("other"), Rejection::Audience),
        ("no audience", scene.good().without("aud"), Rejection::Audience),
        (
            "several audiences and no party",
            scene.good().claim("aud", json!(["app", "other"])),
            Rejection::AuthorizedParty,
        ),
        ("another party", scene.good().claim("azp", "other"), Rejection::AuthorizedParty),
        ("another login's nonce", scene.good().claim("nonce", "replayed"), Rejection::Claims),
        ("no nonce", scene.good().without("nonce"), Rejection::Claims),
        (
            "another access token's",
            scene.good().claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
            Rejection::Claims,
        ),
        ("nobody's", scene.good().without("sub"), Rejection::Claims),
        ("expired", scene.good().claim("exp", NOW - 31), Rejection::Expired),
        ("from the future", scene.good().claim("iat", NOW + 31), Rejection::NotYetValid),
        ("an access token", scene.good().header("typ", "at+jwt"), Rejection::TokenType),
        ("a logout token", scene.good().header("typ", "logout+jwt"), Rejection::TokenType),
        ("forged", forged, Rejection::Signature),
        ("unsigned", scene.good().unsigned(), Rejection::Signature),
        ("of no algorithm", scene.good().header("alg", "none"), Rejection::Algorithm),
    ];
    for (what, token, reason) in cases {
        assert_eq!(scene.verify(token).await, Err(reason), "{what}");
    }
}
