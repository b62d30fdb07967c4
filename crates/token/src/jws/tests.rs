#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;

use super::*;

fn pem(kind: &str, der: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
}

/// One key of each kind, in each form that people have.
fn pems() -> Vec<(&'static str, String)> {
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let sec1 = |pair: &EcdsaKeyPair| {
        let der: aws_lc_rs::encoding::EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
        pem("EC PRIVATE KEY", der.as_ref())
    };
    vec![
        (
            "RS256",
            pem("PRIVATE KEY", AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&rsa).unwrap().as_ref()),
        ),
        ("ES256", pem("PRIVATE KEY", p256.to_pkcs8v1().unwrap().as_ref())),
        ("ES256", sec1(&p256)),
        ("ES384", pem("PRIVATE KEY", p384.to_pkcs8v1().unwrap().as_ref())),
        ("ES384", sec1(&p384)),
        ("EdDSA", pem("PRIVATE KEY", ed25519.to_pkcs8().unwrap().as_ref())),
        ("EdDSA", pem("PRIVATE KEY", ed25519.to_pkcs8v1().unwrap().as_ref())),
    ]
}

fn claims() -> Map<String, Value> {
    let Value::Object(claims) = json!({"sub": "alice"}) else { unreachable!() };
    claims
}

fn verifies(jwt: &str, jwk: &Value) -> bool {
    let jwk: Jwk = serde_json::from_value(jwk.clone()).unwrap();
    let algorithm = jsonwebtoken::decode_header(jwt).unwrap().alg;
    let (message, signature) = jwt.rsplit_once('.').unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm).unwrap_or(false)
}

#[test]
fn a_key_of_any_kind_signs_what_its_public_half_verifies_and_no_other() {
    for (algorithm, pem) in pems() {
        let key = JwsKey::from_pem(pem.as_bytes()).unwrap_or_else(|error| panic!("{algorithm}: {error}"));
        assert_eq!(key.algorithm(), algorithm);
        let jwt = key.sign("x+jwt", &claims()).unwrap();
        let header = jsonwebtoken::decode_header(&jwt).unwrap();
        assert_eq!((header.typ.as_deref(), header.kid.as_deref()), (Some("x+jwt"), Some(key.kid())));
        assert!(verifies(&jwt, &key.public_jwk()), "{algorithm}");
        let (message, signature) = jwt.rsplit_once('.').unwrap();
        assert!(!verifies(&format!("{message}A.{signature}"), &key.public_jwk()), "{algorithm}");
        assert_eq!(
            JwsKey::from_pem(pem.as_bytes()).unwrap().kid(),
            key.kid(),
            "the same key has the same id"
        );
    }
    let (one, other) = (JwsKey::generate().unwrap(), JwsKey::generate().unwrap());
    assert!(!verifies(&one.sign("x", &claims()).unwrap(), &other.public_jwk()));
}

// RFC 8037 §A.3
#[test]
fn a_keys_id_is_its_thumbprint() {
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let der = [hex::decode("302e020100300506032b657004220420").unwrap(), seed].concat();
    let key = JwsKey::from_pem(pem("PRIVATE KEY", &der).as_bytes()).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn what_is_no_key_of_ours_is_refused_and_never_shown() {
    let weak = pem("RSA PRIVATE KEY", &[0x30, 0x03, 0x02, 0x01, 0x00]);
    let public = pem("PUBLIC KEY", JwsKey::generate().unwrap().kid().as_bytes());
    for text in ["", "secret-text", &weak, &public, &pem("PRIVATE KEY", b"secret-text")] {
        let error = JwsKey::from_pem(text.as_bytes()).unwrap_err();
        assert_eq!(error, JwsError::NotAKey, "{text}");
        assert!(!format!("{error} {error:?}").contains("secret-text"));
    }
    let key = JwsKey::generate().unwrap();
    assert_eq!(format!("{key:?}"), format!("JwsKey(EdDSA {})", key.kid()));
}
