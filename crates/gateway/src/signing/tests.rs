#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_guard::keys::Algorithm;
use bearward_guard::keys::KeySet;
use bearward_token::ManualClock;

use super::*;

fn kids(keys: &SigningKeys) -> Vec<String> {
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    keys.jwks()["keys"].as_array().unwrap().iter().map(kid).collect()
}

fn signer_of(jwt: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(jwt.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

fn claims() -> Map<String, Value> {
    json!({"sub": "alice"}).as_object().unwrap().clone()
}

#[test]
fn what_is_signed_verifies_by_the_published_set_and_by_no_other() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at_unix_ms(0));
    let keys = SigningKeys::own(clock.clone()).unwrap();
    let jwt = keys.sign("x+jwt", &claims()).unwrap();
    assert!(verifies(&keys, &jwt));
    assert!(!verifies(&SigningKeys::own(clock).unwrap(), &jwt));
}

fn verifies(keys: &SigningKeys, jwt: &str) -> bool {
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys.jwks()).unwrap();
    let Some(jwk) = set.find(&signer_of(jwt)) else { return false };
    let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
    let (message, signature) = jwt.rsplit_once('.').unwrap();
    let verified =
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, jsonwebtoken::Algorithm::EdDSA);
    let is_ours_too = KeySet::parse(keys.jwks().to_string().as_bytes())
        .is_ok_and(|set| set.candidates(Some(&signer_of(jwt)), Algorithm::EdDSA).count() == 1);
    verified.unwrap() && is_ours_too
}

#[test]
fn a_key_is_published_before_it_signs_and_until_all_it_signed_is_dead() {
    let clock = Arc::new(ManualClock::at_unix_ms(0));
    let keys = SigningKeys::own(clock.clone()).unwrap();
    let first = kids(&keys).remove(0);

    clock.advance(ROTATION - LEAD);
    let published = kids(&keys);
    let second = published[1].clone();
    assert_eq!(published, [first.clone(), second.clone()]);
    assert_eq!(signer_of(&keys.sign("x", &claims()).unwrap()), first, "nobody may have read the new one yet");

    clock.advance(LEAD);
    assert_eq!(signer_of(&keys.sign("x", &claims()).unwrap()), second);
    assert_eq!(kids(&keys), [second.clone(), first]);

    clock.advance(AFTERLIFE);
    assert_eq!(kids(&keys), [second]);
}

#[test]
fn after_a_long_silence_the_new_key_is_still_published_first() {
    let clock = Arc::new(ManualClock::at_unix_ms(0));
    let keys = SigningKeys::own(clock.clone()).unwrap();
    let first = kids(&keys).remove(0);
    clock.advance(ROTATION * 10);
    assert_eq!(signer_of(&keys.sign("x", &claims()).unwrap()), first);
    assert_eq!(kids(&keys).len(), 2);
    clock.advance(LEAD);
    assert_ne!(signer_of(&keys.sign("x", &claims()).unwrap()), first);
}

#[test]
fn keys_that_were_given_sign_alike_everywhere_and_change_only_when_their_owner_changes_them() {
    let clock = Arc::new(ManualClock::at_unix_ms(0));
    let (new, old) = (pem(), pem());
    let given = |pems: [&String; 2]| SigningKeys::given(pems.map(String::as_bytes), clock.clone()).unwrap();
    let (here, there) = (given([&new, &old]), given([&new, &old]));
    assert_eq!(here.jwks(), there.jwks());
    assert_eq!(kids(&here).len(), 2);
    assert_eq!(here.sign("x", &claims()), there.sign("x", &claims()));
    clock.advance(ROTATION * 2);
    assert_eq!(kids(&here), kids(&there));
    assert_eq!(signer_of(&here.sign("x", &claims()).unwrap()), kids(&here)[0]);
    let before_the_change = given([&old, &new]).sign("x", &claims()).unwrap();
    assert!(verifies(&here, &before_the_change));
}

#[test]
fn what_is_no_key_is_told() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at_unix_ms(0));
    let given = |pems: &[&[u8]]| SigningKeys::given(pems.iter().copied(), clock.clone()).err();
    assert_eq!(given(&[]), Some(SigningError::NoKey));
    for text in ["", "secret", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        assert_eq!(given(&[text.as_bytes()]), Some(SigningError::NotAKey), "{text}");
    }
}

fn pem() -> String {
    let der = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}
