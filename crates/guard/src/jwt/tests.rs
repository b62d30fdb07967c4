use serde_json::json;

use super::*;

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn token(header: &str, claims: &str) -> String {
    format!("{}.{}.{}", encode(header), encode(claims), encode("signature"))
}

fn refused(token: &str) -> Rejection {
    Jwt::parse(Unverified::new(token)).err().expect("it must be refused")
}

#[test]
fn a_token_is_taken_apart_and_what_was_signed_is_kept_as_it_was_sent() {
    // Spaces and order would be lost if it were written anew.
    let text = token(r#"{ "typ":"at+jwt", "kid":"k", "alg":"RS256" }"#, r#"{ "sub" : "alice" }"#);
    let jwt = Jwt::parse(Unverified::new(&text)).unwrap();
    assert_eq!(
        (jwt.algorithm, jwt.kid.as_deref(), jwt.typ.as_deref()),
        (Algorithm::RS256, Some("k"), Some("at+jwt"))
    );
    assert_eq!(jwt.claims.get("sub"), Some(&json!("alice")));
    let (message, signature) = text.rsplit_once('.').unwrap();
    assert_eq!((jwt.message, jwt.signature), (message.as_bytes(), signature));
}

// SPEC JW-1, JW-5
#[test]
fn each_wrong_shape_is_refused_before_any_key_is_touched() {
    let good = |header: &str| token(header, "{}");
    for (text, reason) in [
        (String::new(), Rejection::Malformed),
        ("a".into(), Rejection::Malformed),
        ("a.b".into(), Rejection::Malformed),
        // Five parts: encrypted (RFC 7516).
        ("a.b.c.d.e".into(), Rejection::Malformed),
        (format!("{}.{}.", encode(r#"{"alg":"RS256"}"#), encode("{}")), Rejection::Signature),
        ("!.!.x".into(), Rejection::Malformed),
        (token("[]", "{}"), Rejection::Malformed),
        (token("{}", "{}"), Rejection::Malformed),
        (token(r#"{"alg":"RS256"}"#, "\"text\""), Rejection::Malformed),
        (token(r#"{"alg":"RS256","alg":"RS256"}"#, "{}"), Rejection::Malformed),
        (token(r#"{"alg":"RS256"}"#, r#"{"sub":"a","sub":"b"}"#), Rejection::Malformed),
        (format!("{}.{}=.x", encode(r#"{"alg":"RS256"}"#), encode("{} ")), Rejection::Malformed),
        (good(r#"{"alg":["RS256"]}"#), Rejection::Malformed),
        (good(r#"{"alg":"RS256","kid":7}"#), Rejection::Malformed),
        (good(r#"{"alg":"RS256","typ":null}"#), Rejection::Malformed),
        (good(r#"{"alg":"none"}"#), Rejection::Algorithm),
        (good(r#"{"alg":"HS256"}"#), Rejection::Algorithm),
        (good(r#"{"alg":"rs256"}"#), Rejection::Algorithm),
        (good(r#"{"alg":"ES256K"}"#), Rejection::Algorithm),
        ("a".repeat(MAX_TOKEN_BYTES + 1), Rejection::TooLarge),
    ] {
        assert_eq!(refused(&text), reason, "{text:.80}");
    }
}

// SPEC JW-1, RFC 8725 §3.10
#[test]
fn a_token_that_brings_its_own_key_or_its_own_reading_is_refused() {
    for member in ["crit", "b64", "jwk", "jku", "x5u", "x5c"] {
        let header = json!({"alg": "RS256", member: true}).to_string();
        assert_eq!(refused(&token(&header, "{}")), Rejection::Malformed, "{member}");
    }
}
