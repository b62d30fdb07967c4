use axum::http::{HeaderName, HeaderValue};

use super::*;

const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

// HARD 20
#[test]
fn secrets_are_hashed_with_their_scheme_and_the_rest_is_shown() {
    let cases = [
        ("authorization", "Bearer abc", format!("Bearer {ABC}")),
        ("authorization", "abc", ABC.to_owned()),
        ("proxy-authorization", "Basic abc", format!("Basic {ABC}")),
        ("cookie", "abc", ABC.to_owned()),
        ("x-tb-signature", "abc", ABC.to_owned()),
        ("x-api-key", "abc", ABC.to_owned()),
        ("x-id-token", "abc", ABC.to_owned()),
        ("x-tb-tenant-id", "abc", "abc".to_owned()),
        ("mcp-method", "tools/call", "tools/call".to_owned()),
    ];
    for (name, value, expected) in cases {
        let headers =
            HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
        assert_eq!(shown(&headers)[name], expected, "{name}");
    }
}

#[test]
fn a_doubled_header_is_shown_twice() {
    let mut headers = HeaderMap::new();
    headers.append("authorization", HeaderValue::from_static("Bearer abc"));
    headers.append("authorization", HeaderValue::from_static("Bearer abc"));
    assert_eq!(shown(&headers)["authorization"], format!("Bearer {ABC}, Bearer {ABC}"));
}

#[test]
fn a_secret_that_is_no_text_is_hashed_too() {
    let mut headers = HeaderMap::new();
    headers.insert("cookie", HeaderValue::from_bytes(&[0xff, 0xfe]).unwrap());
    assert!(shown(&headers)["cookie"].starts_with("sha256:"));
}
