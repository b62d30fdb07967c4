use std::time::Duration;

use axum::http::HeaderValue;
use bearward_token::ManualClock;

use super::*;

const NOW_MS: u64 = 1_800_000_000_000;

fn check() -> (TenantCheck, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at_unix_ms(NOW_MS));
    (TenantCheck::new("X-TB", "s3cret", clock.clone()), clock)
}

fn signature(secret: &str, text: &str) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes()))
}

fn headers(tenant: &str, at: &str, signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [("x-tb-tenant-id", tenant), ("x-tb-timestamp", at), ("x-tb-signature", signature)] {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn signed(tenant: &str, at_ms: u64) -> HeaderMap {
    headers(tenant, &at_ms.to_string(), &signature("s3cret", &format!("{tenant}:{at_ms}")))
}

#[test]
fn the_window_is_300_s_in_both_directions_and_holds_its_last_millisecond() {
    let (check, _) = check();
    let cases = [
        (NOW_MS, Ok("acme".to_owned())),
        (NOW_MS - 300_000, Ok("acme".to_owned())),
        (NOW_MS + 300_000, Ok("acme".to_owned())),
        (NOW_MS - 300_001, Err(Refusal::StaleTenant)),
        (NOW_MS + 300_001, Err(Refusal::StaleTenant)),
        (u64::MAX, Err(Refusal::StaleTenant)),
        (0, Err(Refusal::StaleTenant)),
    ];
    for (at, expected) in cases {
        assert_eq!(check.tenant(&signed("acme", at)), expected, "{at}");
    }
}

#[test]
fn good_headers_grow_stale() {
    let (check, clock) = check();
    let sent = signed("acme", NOW_MS);
    clock.advance(Duration::from_secs(300));
    assert!(check.tenant(&sent).is_ok());
    clock.advance(Duration::from_millis(1));
    assert_eq!(check.tenant(&sent), Err(Refusal::StaleTenant));
}

#[test]
fn each_wrong_signature_is_refused() {
    let (check, _) = check();
    let good = signature("s3cret", &format!("acme:{NOW_MS}"));
    let cases = [
        ("of another key", signature("other", &format!("acme:{NOW_MS}"))),
        ("of another tenant", signature("s3cret", &format!("globex:{NOW_MS}"))),
        ("of another time", signature("s3cret", &format!("acme:{}", NOW_MS - 1))),
        ("in upper case", good.to_uppercase()),
        ("cut short", good[..62].to_owned()),
        ("too long", format!("{good}00")),
        ("no hex", "z".repeat(64)),
    ];
    for (why, signature) in cases {
        let sent = headers("acme", &NOW_MS.to_string(), &signature);
        assert_eq!(check.tenant(&sent), Err(Refusal::BadTenantSignature), "{why}");
    }
}

#[test]
fn a_missing_empty_or_doubled_header_proves_no_tenant() {
    let (check, _) = check();
    for name in ["x-tb-tenant-id", "x-tb-timestamp", "x-tb-signature"] {
        let mut missing = signed("acme", NOW_MS);
        missing.remove(name);
        assert_eq!(check.tenant(&missing), Err(Refusal::NoTenant), "{name} missing");
        let mut empty = signed("acme", NOW_MS);
        empty.insert(name, HeaderValue::from_static(""));
        assert_eq!(check.tenant(&empty), Err(Refusal::NoTenant), "{name} empty");
        let mut doubled = signed("acme", NOW_MS);
        doubled.append(name, HeaderValue::from_static("acme"));
        assert_eq!(check.tenant(&doubled), Err(Refusal::NoTenant), "{name} twice");
    }
}

#[test]
fn a_timestamp_that_is_no_number_of_milliseconds_is_stale() {
    let (check, _) = check();
    for at in ["now", "-1", "1e12", "99999999999999999999", "1800000000"] {
        let sent = headers("acme", at, &signature("s3cret", &format!("acme:{at}")));
        assert_eq!(check.tenant(&sent), Err(Refusal::StaleTenant), "{at}");
    }
}

#[test]
fn the_prefix_is_part_of_each_name() {
    let clock = Arc::new(ManualClock::at_unix_ms(NOW_MS));
    let other = TenantCheck::new("X-Acme", "s3cret", clock);
    assert_eq!(other.tenant(&signed("acme", NOW_MS)), Err(Refusal::NoTenant));
}

// HARD 20
#[test]
fn the_key_is_not_printed() {
    let (check, _) = check();
    let printed = format!("{check:?}");
    assert!(!printed.contains("s3cret") && !printed.contains("73336372"), "{printed}");
}
