use bearward_testbed::{Algorithm as SignWith, SigningKey};
use serde_json::{Value, json};

use super::*;

fn set(keys: &Value) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn jwk(algorithm: SignWith, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Value {
    let mut jwk = SigningKey::generate_as(algorithm, "k").public_jwk();
    change(jwk.as_object_mut().unwrap());
    jwk
}

fn count(set: &KeySet, kid: Option<&str>, algorithm: Algorithm) -> usize {
    set.candidates(kid, algorithm).count()
}

/// All algorithms that tokens may be signed by.
fn known() -> impl Iterator<Item = Algorithm> + Clone {
    SignWith::ALL.into_iter().map(|kind| algorithm_named(kind.name()).unwrap())
}

// SPEC JW-1: the same key with another padding or digest is another algorithm
#[test]
fn a_signature_counts_for_the_algorithm_that_made_it_and_for_no_other() {
    for kind in SignWith::ALL {
        let signer = SigningKey::generate(kind);
        let mut key = signer.public_jwk();
        key.as_object_mut().unwrap().remove("alg");
        let (set, signature) = (set(&json!([key])).unwrap(), URL_SAFE_NO_PAD.encode(signer.sign(b"message")));
        for algorithm in known() {
            let counts =
                set.candidates(None, algorithm).any(|key| key.verify(algorithm, b"message", &signature));
            assert_eq!(counts, Some(algorithm) == algorithm_named(kind.name()), "{kind:?} as {algorithm:?}");
        }
    }
}

// SPEC JW-1
#[test]
fn each_kind_of_key_verifies_its_own_algorithms_and_no_other() {
    let all = known().chain([Algorithm::HS256]);
    let rsa = [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
    ];
    for (kind, fits) in [
        (SignWith::Rs256, &rsa[..]),
        (SignWith::Es256, &[Algorithm::ES256]),
        (SignWith::Es384, &[Algorithm::ES384]),
        (SignWith::EdDsa, &[Algorithm::EdDSA]),
    ] {
        // Without its own word on the algorithm its kind decides.
        let set = set(&json!([jwk(kind, |jwk| drop(jwk.remove("alg")))])).unwrap();
        for algorithm in all.clone() {
            assert_eq!(
                count(&set, Some("k"), algorithm),
                usize::from(fits.contains(&algorithm)),
                "{kind:?} {algorithm:?}"
            );
        }
    }
    let narrowed = set(&json!([jwk(SignWith::Rs256, |_| {})])).unwrap();
    assert_eq!((count(&narrowed, None, Algorithm::RS256), count(&narrowed, None, Algorithm::PS512)), (1, 0));
}

#[test]
fn a_key_verifies_what_it_signed_and_nothing_else() {
    for kind in SignWith::ALL {
        let algorithm = algorithm_named(kind.name()).unwrap();
        let signer = SigningKey::generate(kind);
        let set = set(&json!([signer.public_jwk()])).unwrap();
        let key = set.candidates(None, algorithm).next().unwrap();
        let signature = URL_SAFE_NO_PAD.encode(signer.sign(b"message"));
        assert!(key.verify(algorithm, b"message", &signature), "{kind:?}");
        assert!(!key.verify(algorithm, b"massage", &signature), "{kind:?}");
        for wrong in ["", "!", "AAAA", &format!("{signature}=")] {
            assert!(!key.verify(algorithm, b"message", wrong), "{kind:?} {wrong}");
        }
        let stranger = URL_SAFE_NO_PAD.encode(SigningKey::generate(kind).sign(b"message"));
        assert!(!key.verify(algorithm, b"message", &stranger), "{kind:?}");
    }
}

#[test]
fn keys_that_cannot_verify_are_left_out_and_the_others_stay() {
    let good = jwk(SignWith::Es256, |_| {});
    for bad in [
        jwk(SignWith::Rs256, |jwk| drop(jwk.insert("use".into(), "enc".into()))),
        jwk(SignWith::Rs256, |jwk| drop(jwk.insert("key_ops".into(), json!(["sign"])))),
        jwk(SignWith::Rs256, |jwk| drop(jwk.insert("alg".into(), "HS256".into()))),
        jwk(SignWith::Rs256, |jwk| drop(jwk.insert("alg".into(), "ES256".into()))),
        // 1024 bits, and 16384.
        jwk(SignWith::Rs256, |jwk| drop(jwk.insert("n".into(), URL_SAFE_NO_PAD.encode([0xff; 128]).into()))),
        jwk(SignWith::Rs256, |jwk| drop(jwk.insert("n".into(), URL_SAFE_NO_PAD.encode([0xff; 2048]).into()))),
        jwk(SignWith::Rs256, |jwk| drop(jwk.remove("e"))),
        jwk(SignWith::Es256, |jwk| drop(jwk.insert("crv".into(), "secp256k1".into()))),
        jwk(SignWith::Es256, |jwk| drop(jwk.insert("x".into(), "AAAA".into()))),
        jwk(SignWith::EdDsa, |jwk| drop(jwk.insert("crv".into(), "X25519".into()))),
        json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "k"}),
        json!({"kty": "RSA"}),
        json!("text"),
        json!(null),
    ] {
        assert_eq!(set(&json!([bad, good])).unwrap().len(), 1, "{bad}");
        assert!(set(&json!([bad])).unwrap().is_empty(), "{bad}");
    }
}

// SPEC JW-2
#[test]
fn without_a_key_id_at_most_eight_keys_are_tried_and_with_one_its_own_alone() {
    let keys: Vec<_> =
        (0..10).map(|n| SigningKey::generate_as(SignWith::EdDsa, &format!("k{n}")).public_jwk()).collect();
    let set = set(&json!(keys)).unwrap();
    assert_eq!(count(&set, None, Algorithm::EdDSA), MAX_CANDIDATES);
    assert_eq!(count(&set, Some("k9"), Algorithm::EdDSA), 1);
    assert_eq!(count(&set, Some("K9"), Algorithm::EdDSA), 0);
    assert!(set.knows("k9") && !set.knows("k10"));
}

#[test]
fn what_is_no_key_set_is_an_error_and_an_empty_one_withdraws_everything() {
    for bad in ["", "null", "{}", "[]", r#"{"keys": {}}"#, "<html>"] {
        assert!(matches!(KeySet::parse(bad.as_bytes()), Err(KeySetError::NotAKeySet)), "{bad}");
    }
    assert!(set(&json!([])).unwrap().is_empty());
    let key = jwk(SignWith::EdDsa, |_| {});
    let many = set(&json!(vec![key.clone(); 500])).unwrap();
    assert_eq!(many.len(), MAX_KEYS);
    assert!(set(&json!([key])).unwrap().is_same(&set(&json!([key])).unwrap()));
    assert!(!many.is_same(&set(&json!([])).unwrap()));
}

#[test]
fn both_names_of_eddsa_are_known_and_no_symmetric_algorithm_is() {
    assert_eq!(algorithm_named("Ed25519"), Some(Algorithm::EdDSA));
    assert_eq!(algorithm_named("EdDSA"), Some(Algorithm::EdDSA));
    for name in ["none", "HS256", "HS384", "HS512", "rs256", "RS256 ", "", "ES512", "RSA-OAEP"] {
        assert_eq!(algorithm_named(name), None, "{name}");
    }
}
