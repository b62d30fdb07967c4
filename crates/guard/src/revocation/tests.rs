use bearward_token::ManualClock;
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_800_000_000;

struct Scene {
    revocations: Revocations,
    clock: Arc<ManualClock>,
}

fn scene() -> Scene {
    let clock = Arc::new(ManualClock::at_unix_ms(NOW * 1000));
    Scene { revocations: Revocations::new(clock.clone()), clock }
}

/// Of `https://idp.example`: alice, token `t`, session `s`, issued now.
fn alice() -> Principal {
    let mut caller = crate::claims::tests::principal();
    caller.token_id = Some("t".into());
    caller.session_id = Some("s".into());
    caller.issued_at = Some(NOW);
    caller
}

fn revocation(value: Value) -> Revocation {
    serde_json::from_value(value).unwrap()
}

// HARD 23
#[test]
fn a_token_a_session_and_a_subject_are_revoked_for_the_issuer_that_is_meant() {
    for (value, is_revoked) in [
        (json!({"jti": "t"}), true),
        (json!({"jti": "u"}), false),
        (json!({"sid": "s"}), true),
        (json!({"sid": "t"}), false),
        (json!({"sub": "alice"}), true),
        (json!({"sub": "bob"}), false),
        (json!({"sub": "alice", "issuedBefore": NOW + 1}), true),
        (json!({"sub": "alice", "issuedBefore": NOW}), false),
        (json!({"jti": "t", "issuer": "https://idp.example"}), true),
        (json!({"jti": "t", "issuer": "https://idp.example/"}), false),
        (json!({"jti": "t", "issuer": "https://other.example"}), false),
    ] {
        let scene = scene();
        assert!(!scene.revocations.is_revoked(&alice()));
        scene.revocations.add(Source::Api, &revocation(value.clone())).unwrap();
        assert_eq!(scene.revocations.is_revoked(&alice()), is_revoked, "{value}");
    }
}

#[test]
fn a_token_that_does_not_say_when_it_was_issued_cannot_be_newer() {
    let scene = scene();
    scene.revocations.add(Source::Api, &revocation(json!({"sub": "alice", "issuedBefore": 1}))).unwrap();
    assert!(!scene.revocations.is_revoked(&alice()));
    assert!(scene.revocations.is_revoked(&Principal { issued_at: None, ..alice() }));
}

#[test]
fn a_revocation_ends_when_it_says_and_a_later_one_takes_nothing_back() {
    let scene = scene();
    let until = |seconds: u64| revocation(json!({"jti": "t", "until": NOW + seconds}));
    scene.revocations.add(Source::Api, &until(60)).unwrap();
    scene.revocations.add(Source::Api, &until(30)).unwrap();
    scene.clock.advance(Duration::from_secs(59));
    assert!(scene.revocations.is_revoked(&alice()));
    scene.clock.advance(Duration::from_secs(1));
    assert!(!scene.revocations.is_revoked(&alice()));
    assert!(scene.revocations.list().is_empty());
}

#[test]
fn a_source_replaces_what_it_said_itself_and_nothing_of_another() {
    let scene = scene();
    let (token, other) = (revocation(json!({"jti": "t"})), revocation(json!({"jti": "u"})));
    scene.revocations.add(Source::Api, &token).unwrap();
    scene.revocations.replace(Source::File, std::slice::from_ref(&token)).unwrap();
    scene.revocations.replace(Source::File, &[other]).unwrap();
    assert!(scene.revocations.is_revoked(&alice()), "the API still says so");
    assert_eq!(scene.revocations.remove(Source::File, &token), Ok(false));
    assert_eq!(scene.revocations.remove(Source::Api, &token), Ok(true));
    assert!(!scene.revocations.is_revoked(&alice()));
    let unclear = revocation(json!({"jti": "a", "sid": "b"}));
    let outcome = scene.revocations.replace(Source::File, &[token, unclear]);
    assert_eq!(outcome, Err((1, RevocationError::Unclear)));
    assert_eq!(scene.revocations.list().len(), 1, "nothing of a bad list is taken");
}

#[test]
fn what_is_unclear_is_an_error() {
    let scene = scene();
    for value in [
        json!({}),
        json!({"jti": "a", "sub": "b"}),
        json!({"jti": "a", "issuedBefore": 1}),
        json!({"issuer": "https://a"}),
    ] {
        let outcome = scene.revocations.add(Source::Api, &revocation(value.clone()));
        assert_eq!(outcome, Err(RevocationError::Unclear), "{value}");
    }
    let issuer = revocation(json!({"jti": "a", "issuer": "nonsense"}));
    assert!(matches!(scene.revocations.add(Source::Api, &issuer), Err(RevocationError::Issuer(_))));
    for value in [json!({"jti": 7}), json!({"jit": "a"}), json!([])] {
        assert!(serde_json::from_value::<Revocation>(value.clone()).is_err(), "{value}");
    }
}

#[test]
fn when_there_is_no_room_none_is_forgotten_until_some_have_ended() {
    let scene = scene();
    let all: Vec<_> =
        (0..MOST).map(|n| revocation(json!({"jti": n.to_string(), "until": NOW + 10}))).collect();
    scene.revocations.replace(Source::File, &all).unwrap();
    let token = revocation(json!({"jti": "t"}));
    assert_eq!(scene.revocations.add(Source::Api, &token), Err(RevocationError::Full));
    assert_eq!(scene.revocations.list().len(), MOST);
    scene.clock.advance(Duration::from_secs(10));
    scene.revocations.add(Source::Api, &token).unwrap();
    assert!(scene.revocations.is_revoked(&alice()));
}

#[test]
fn whoever_follows_hears_of_each_change() {
    let scene = scene();
    let mut follower = scene.revocations.follow();
    assert!(!follower.has_changed().unwrap());
    scene.revocations.add(Source::Api, &revocation(json!({"jti": "t"}))).unwrap();
    assert!(follower.has_changed().unwrap());
    follower.mark_unchanged();
    assert!(!follower.has_changed().unwrap());
}

#[test]
fn what_is_listed_can_be_sent_again() {
    let scene = scene();
    let given = revocation(
        json!({"sub": "alice", "issuer": "https://idp.example", "issuedBefore": 5, "until": NOW + 9}),
    );
    scene.revocations.add(Source::Logout, &given).unwrap();
    assert_eq!(scene.revocations.list(), [(Source::Logout, given)]);
}
