//! The shape of a token before anything is verified (SPEC JW-5; RFC 7515 §3, §5.2).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::scene::Scene;

#[tokio::test]
async fn what_is_no_compact_jws_is_refused_before_any_key_is_touched() {
    let scene = Scene::new().await;
    let good = scene.good().build();
    let parts: Vec<_> = good.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let decoded = URL_SAFE_NO_PAD.decode(header).unwrap();
    let mut not_utf8 = decoded.clone();
    not_utf8[2] = 0xff;
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let malformed = (401, "malformed");
    let mut cases: Vec<(String, String, (u16, &'static str))> = [
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{good}.{signature}")),
        ("five parts, a JWE", format!("{header}.{claims}.{signature}.{claims}.{signature}")),
        ("an empty header", format!(".{claims}.{signature}")),
        ("empty claims", format!("{header}..{signature}")),
        ("a header that is no base64url", format!("{}+/.{claims}.{signature}", &header[..header.len() - 2])),
        (
            "a padded header",
            format!("{}.{claims}.{signature}", URL_SAFE.encode(&decoded[..decoded.len() - 1])),
        ),
        (
            "a header of another alphabet",
            format!("{}.{claims}.{signature}", STANDARD.encode([0xfb, 0xff, 0xfe])),
        ),
        ("a header that is no UTF-8", format!("{}.{claims}.{signature}", encode(&not_utf8))),
        ("a header that is no object", format!("{}.{claims}.{signature}", encode(b"[]"))),
        ("a header without alg", format!("{}.{claims}.{signature}", encode(b"{}"))),
        (
            "a header with two algs",
            format!("{}.{claims}.{signature}", encode(br#"{"alg":"EdDSA","alg":"none"}"#)),
        ),
        ("a header whose alg is a list", format!("{}.{claims}.{signature}", encode(br#"{"alg":["EdDSA"]}"#))),
        ("a header whose alg is null", format!("{}.{claims}.{signature}", encode(br#"{"alg":null}"#))),
        ("trailing bits in the header", format!("{header}A.{claims}.{signature}")),
        ("a token in a token", encode(good.as_bytes())),
        ("a nested token", format!("{header}.{}.{signature}", encode(good.as_bytes()))),
        (
            "JSON serialization",
            encode(json!({"payload": claims, "signature": signature}).to_string().as_bytes()),
        ),
        ("a word", "garbage".to_owned()),
        ("another scheme's credentials", STANDARD.encode("user:password").replace('=', "")),
    ]
    // With padding inside it is not even a bearer token (RFC 6750 §2.1).
    .map(|(name, token)| {
        let is_b64token = !token.trim_end_matches('=').contains('=');
        (name.to_owned(), token, if is_b64token { malformed } else { (400, "malformed") })
    })
    .to_vec();
    cases.push(("dots alone".into(), "..".to_owned(), (401, "signature")));
    cases.push(("no signature".into(), format!("{header}.{claims}."), (401, "signature")));
    for (name, changed) in [
        ("a cut signature", signature[..signature.len() - 4].to_owned()),
        ("a longer signature", format!("{signature}AAAA")),
        ("a padded signature", format!("{signature}==")),
        ("a signature of zeroes", encode(&[0; 64])),
        (
            "a signature of another token",
            scene.good().subject("bob").build().rsplit_once('.').unwrap().1.to_owned(),
        ),
        ("the claims as signature", claims.to_owned()),
    ] {
        cases.push((name.into(), format!("{header}.{claims}.{changed}"), (401, "signature")));
    }
    scene.refuses(cases).await;
}

// SPEC JW-5, HARD 26
#[tokio::test]
async fn a_token_of_more_than_16_kib_is_refused_at_once() {
    let scene = Scene::new().await;
    let of = |bytes: usize| scene.good().claim("x", "y".repeat(bytes)).build();
    let fits = of(10 * 1024);
    assert!(fits.len() <= 16 * 1024);
    assert_eq!(scene.present(&fits).await, None);
    let cases = [13 * 1024, 24 * 1024, 48 * 1024]
        .map(|bytes| (format!("{bytes} bytes"), of(bytes), (401, "too_large")));
    scene.refuses(cases.to_vec()).await;
    scene.refuses(vec![("64 KiB of one letter".into(), "a".repeat(64 * 1024), (401, "too_large"))]).await;
}
