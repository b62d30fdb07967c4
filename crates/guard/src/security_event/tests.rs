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

    fn is_revoked(&self, session: impl Into<Option<&'static str>>, issued_at: u64) -> bool {
        let mut caller: Principal = crate::claims::tests::principal();
        caller.session_id = session.into().map(Into::into);
        caller.issued_at = Some(issued_at);
        self.revocations.is_revoked(&caller)
    }
}

#[tokio::test]
async fn a_logout_token_ends_its_session_and_without_one_everything_of_its_subject_so_far() {
    let scene = Scene::new().await;
    scene.take(Kind::Logout, &scene.logout()).await.unwrap();
    assert!(scene.is_revoked("s", NOW) && !scene.is_revoked("other", NOW) && !scene.is_revoked(None, NOW));

    let scene = Scene::new().await;
    scene.take(Kind::Logout, &scene.logout().without("sid").claim("sub", "alice")).await.unwrap();
    assert!(scene.is_revoked("any", NOW) && !scene.is_revoked("any", NOW + 1), "a new login counts");
}

#[tokio::test]
async fn a_logout_of_a_session_and_its_subject_ends_the_tokens_that_carry_no_session_as_well() {
    let scene = Scene::new().await;
    scene.take(Kind::Logout, &scene.logout().claim("sub", "alice")).await.unwrap();
    for (session, issued_at, is_revoked) in
        [(Some("s"), NOW, true), (Some("other"), NOW, false), (None, NOW, true), (None, NOW + 1, false)]
    {
        assert_eq!(scene.is_revoked(session, issued_at), is_revoked, "{session:?} {issued_at}");
    }
    let scene = Scene::new().await;
    scene.take(Kind::Logout, &scene.logout().claim("sub", "bob")).await.unwrap();
    assert!(!scene.is_revoked(None, NOW), "another's");
}

#[tokio::test]
async fn what_an_event_ended_stays_ended_for_thirty_days() {
    let scene = Scene::new().await;
    scene.take(Kind::Logout, &scene.logout()).await.unwrap();
    scene.take(Kind::SecurityEvent, &scene.event()).await.unwrap();
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    scene.clock.advance(days(29));
    assert!(scene.is_revoked("s", NOW) && scene.is_revoked("other", NOW));
    scene.clock.advance(days(1));
    assert!(!scene.is_revoked("s", NOW) && !scene.is_revoked("other", NOW));
}

#[tokio::test]
async fn a_security_event_ends_what_its_subject_names_in_every_form() {
    let user = json!({"format": "iss_sub", "iss": ISSUER, "sub": "alice"});
    let session = json!({"format": "opaque", "id": "s"});
    let complex = json!({"format": "complex", "user": user, "session": session});
    for (subject, other_sessions, no_session) in
        [(user, true, true), (session, false, false), (complex, false, true)]
    {
        let scene = Scene::new().await;
        scene.take(Kind::SecurityEvent, &scene.event().claim("sub_id", subject.clone())).await.unwrap();
        assert!(scene.is_revoked("s", NOW), "{subject}");
        assert_eq!(scene.is_revoked("other", NOW), other_sessions, "{subject}");
        assert_eq!(scene.is_revoked(None, NOW), no_session, "{subject}");
    }
    let scene = Scene::new().await;
    let older = json!({SESSION_REVOKED: {"subject": {"format": "iss_sub", "iss": ISSUER, "sub": "alice"}}});
    scene.take(Kind::SecurityEvent, &scene.event().without("sub_id").claim("events", older)).await.unwrap();
    assert!(scene.is_revoked("s", NOW));
}

#[tokio::test]
async fn an_event_about_another_issuers_subject_is_refused_wherever_that_is_named() {
    let foreign = json!({"format": "iss_sub", "iss": "https://other.example", "sub": "alice"});
    let own = json!({"format": "iss_sub", "iss": ISSUER, "sub": "alice"});
    let scene = Scene::new().await;
    for (case, sub_id, subject) in [
        ("plain", Some(foreign.clone()), None),
        ("user of several", Some(json!({"format": "complex", "user": foreign})), None),
        ("tenant of several", Some(json!({"format": "complex", "user": own, "tenant": foreign})), None),
        ("alias", Some(json!({"format": "aliases", "identifiers": [own, foreign]})), None),
        ("session", Some(json!({"format": "opaque", "id": "s", "iss": "https://other.example"})), None),
        ("no text", Some(json!({"format": "iss_sub", "iss": [ISSUER], "sub": "alice"})), None),
        ("nearly", Some(json!({"format": "iss_sub", "iss": format!("{ISSUER}/"), "sub": "alice"})), None),
        ("older form", None, Some(foreign.clone())),
        ("beside its own", Some(own.clone()), Some(foreign.clone())),
    ] {
        let event = subject.map_or(json!({}), |subject| json!({"subject": subject}));
        let token = scene.event().without("sub_id").claim("events", json!({SESSION_REVOKED: event}));
        let token = sub_id.map_or(token.clone(), |sub_id| token.claim("sub_id", sub_id));
        assert_eq!(scene.take(Kind::SecurityEvent, &token).await, Err(EventError::ForeignSubject), "{case}");
    }
    assert!(scene.revocations.list().is_empty());
}

#[tokio::test]
async fn other_events_of_a_stream_are_received_and_change_nothing() {
    let scene = Scene::new().await;
    let ssf = "https://schemas.openid.net/secevent/ssf/event-type";
    let stream = json!({"format": "opaque", "id": "s"});
    for kind in [&format!("{ssf}/verification"), &format!("{ssf}/stream-updated"), "https://example.com/new"]
    {
        let token = scene.event().claim("events", json!({kind: {"state": "x", "status": "paused"}}));
        let token = token.claim("sub_id", stream.clone());
        assert_eq!(scene.take(Kind::SecurityEvent, &token).await, Ok(()), "{kind}");
        let forged = token.with_garbage_signature();
        let outcome = scene.take(Kind::SecurityEvent, &forged).await;
        assert_eq!(outcome, Err(EventError::Token(Rejection::Signature)), "{kind}");
    }
    assert!(scene.revocations.list().is_empty());
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
        (event, scene.event().claim("events", json!({})), Rejection::TokenType),
        (event, scene.event().without("events"), Rejection::TokenType),
        (event, scene.event().claim("nonce", "n"), Rejection::TokenType),
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

#[tokio::test]
async fn an_event_without_room_changes_nothing_and_is_taken_once_there_is_some() {
    let scene = Scene::new().await;
    let many = |count: usize, until: u64| -> Vec<_> {
        let one =
            |n: usize| Revocation { jti: Some(n.to_string()), until: Some(until), ..Revocation::default() };
        (0..count).map(one).collect()
    };
    let token = scene.logout().claim("sub", "alice");
    scene.revocations.replace(Source::File, &many(crate::revocation::MOST - 1, NOW + 60)).unwrap();
    let outcome = scene.take(Kind::Logout, &token).await;
    assert_eq!(outcome, Err(EventError::Revocation(RevocationError::Full)));
    assert!(!scene.is_revoked("s", NOW), "half of an event is none");
    scene.revocations.replace(Source::File, &[]).unwrap();
    scene.take(Kind::Logout, &token).await.unwrap();
    assert!(scene.is_revoked("s", NOW));
}
