use bearward_testbed::{Algorithm as SignWith, SigningKey, TokenBuilder};
use bearward_token::{ManualClock, Principal};
use serde_json::json;

use super::*;
use crate::claims::Expectations;
use crate::key_source::KeySource;
use crate::keys::Algorithm;
use crate::loaders::Inline;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://idp.example";

struct Scene {
    receiver: Receiver,
    revocations: Arc<Revocations>,
    clock: Arc<ManualClock>,
    key: Arc<SigningKey>,
}

impl Scene {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(NOW * 1000));
        let key = Arc::new(SigningKey::generate(SignWith::EdDsa));
        let document = json!({"keys": [key.public_jwk()]}).to_string();
        let keys = KeySource::start(ISSUER.parse().unwrap(), Arc::new(Inline { document }), clock.clone());
        let issuer = Arc::new(TrustedIssuer {
            issuer: ISSUER.parse().unwrap(),
            keys: Some(Arc::new(keys)),
            opaque: None,
            algorithms: vec![Algorithm::EdDSA],
            expectations: Expectations::for_audiences(vec!["resource".into()]),
        });
        let sender = Sender {
            issuer,
            logout_audiences: vec!["our-client".into()],
            event_audiences: vec!["https://mcp.example.com".into()],
        };
        let revocations = Arc::new(Revocations::new(clock.clone()));
        let receiver = Receiver::new(vec![sender], revocations.clone(), clock.clone());
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        Self { receiver, revocations, clock, key }
    }

    fn token(&self, typ: &str, audience: &str, event: &str) -> TokenBuilder {
        let token = TokenBuilder::new(ISSUER, self.key.clone(), NOW).header("typ", typ).audience(audience);
        token.without("exp").without("client_id").without("sub").claim("events", json!({event: {}}))
    }

    fn logout(&self) -> TokenBuilder {
        self.token("logout+jwt", "our-client", LOGOUT).claim("sid", "s")
    }

    fn event(&self) -> TokenBuilder {
        let user = json!({"format": "iss_sub", "iss": ISSUER, "sub": "alice"});
        self.token("secevent+jwt", "https://mcp.example.com", SESSION_REVOKED).claim("sub_id", user)
    }

    async fn take(&self, kind: Kind, token: &TokenBuilder) -> Result<(), EventError> {
        self.receiver.take(kind, &token.build()).await
    }

    fn is_revoked(&self, session: &str, issued_at: u64) -> bool {
        let mut caller: Principal = crate::claims::tests::principal();
        caller.session_id = Some(session.into());
        caller.issued_at = Some(issued_at);
        self.revocations.is_revoked(&caller)
    }
}

#[tokio::test]
async fn a_logout_token_ends_its_session_alone_and_without_one_everything_of_its_subject_so_far() {
    let scene = Scene::new().await;
    scene.take(Kind::Logout, &scene.logout().claim("sub", "alice")).await.unwrap();
    assert!(scene.is_revoked("s", NOW) && !scene.is_revoked("other", NOW));

    let scene = Scene::new().await;
    scene.take(Kind::Logout, &scene.logout().without("sid").claim("sub", "alice")).await.unwrap();
    assert!(scene.is_revoked("any", NOW) && !scene.is_revoked("any", NOW + 1), "a new login counts");
}

#[tokio::test]
async fn a_security_event_ends_what_its_subject_names_in_every_form() {
    let user = json!({"format": "iss_sub", "iss": ISSUER, "sub": "alice"});
    let session = json!({"format": "opaque", "id": "s"});
    let complex = json!({"format": "complex", "user": user, "session": session});
    for (subject, revokes_other_sessions) in [(user, true), (session, false), (complex, false)] {
        let scene = Scene::new().await;
        scene.take(Kind::SecurityEvent, &scene.event().claim("sub_id", subject.clone())).await.unwrap();
        assert!(scene.is_revoked("s", NOW), "{subject}");
        assert_eq!(scene.is_revoked("other", NOW), revokes_other_sessions, "{subject}");
    }
    let scene = Scene::new().await;
    let older = json!({SESSION_REVOKED: {"subject": {"format": "iss_sub", "iss": ISSUER, "sub": "alice"}}});
    scene.take(Kind::SecurityEvent, &scene.event().without("sub_id").claim("events", older)).await.unwrap();
    assert!(scene.is_revoked("s", NOW));
}

#[tokio::test]
async fn each_bad_event_is_refused_for_its_own_reason_and_changes_nothing() {
    let scene = Scene::new().await;
    let stranger = Arc::new(SigningKey::generate(SignWith::EdDsa));
    let (good, logout, event) = (scene.logout(), Kind::Logout, Kind::SecurityEvent);
    for (kind, token, reason) in [
        (logout, good.clone().forged_with(stranger), Rejection::Signature),
        (logout, good.clone().unsigned(), Rejection::Signature),
        (logout, good.clone().signed_with_public_key_as_secret(), Rejection::Algorithm),
        (logout, good.clone().claim("iss", "https://other.example"), Rejection::Issuer),
        (logout, good.clone().audience("other-client"), Rejection::Audience),
        (logout, good.clone().without("aud"), Rejection::Audience),
        (logout, good.clone().header("typ", "at+jwt"), Rejection::TokenType),
        (logout, good.clone().without_header("typ"), Rejection::TokenType),
        (logout, good.clone().without("events"), Rejection::TokenType),
        (logout, good.clone().claim("events", json!([LOGOUT])), Rejection::TokenType),
        (logout, good.clone().claim("nonce", "n"), Rejection::TokenType),
        (logout, good.clone().without("iat"), Rejection::Claims),
        (logout, good.clone().without("jti"), Rejection::Claims),
        (logout, good.clone().claim("iat", NOW + 60), Rejection::NotYetValid),
        (logout, good.clone().claim("iat", NOW - 90_000), Rejection::Expired),
        (logout, good.clone().claim("exp", NOW - 60), Rejection::Expired),
        (event, good.clone(), Rejection::TokenType),
        (event, scene.event().audience("our-client"), Rejection::Audience),
        (event, scene.event().claim("events", json!({LOGOUT: {}})), Rejection::TokenType),
        (logout, scene.event(), Rejection::TokenType),
    ] {
        assert_eq!(scene.take(kind, &token).await, Err(EventError::Token(reason)));
    }
    assert_eq!(scene.take(logout, &good.without("sid")).await, Err(EventError::Nobody));
    let email = json!({"format": "email", "email": "a@example.com"});
    assert_eq!(scene.take(event, &scene.event().claim("sub_id", email)).await, Err(EventError::Nobody));
    assert!(scene.revocations.list().is_empty());
}

#[tokio::test]
async fn an_event_that_comes_twice_counts_once() {
    let scene = Scene::new().await;
    let token = scene.logout().without("sid").claim("sub", "alice");
    scene.take(Kind::Logout, &token).await.unwrap();
    let first = scene.revocations.list();
    scene.clock.advance(Duration::from_secs(60));
    scene.take(Kind::Logout, &token).await.unwrap();
    assert_eq!(scene.revocations.list(), first);
}
