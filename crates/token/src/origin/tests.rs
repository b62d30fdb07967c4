#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::*;

fn origin(text: &str) -> Origin {
    text.parse().unwrap()
}

fn issued_by(issuer: &str) -> Authority {
    Authority::of_issuer(issuer.parse().unwrap())
}

#[test]
fn an_origin_has_no_port_that_its_scheme_implies_and_no_case() {
    assert_eq!(origin("https://Tools.Example.com:443"), origin("https://tools.example.com"));
    assert_eq!(origin("http://tools.example.com:80/"), origin("http://tools.example.com"));
    assert_eq!(origin("https://tools.example.com:8443").as_str(), "https://tools.example.com:8443");
}

#[test]
fn what_merely_looks_alike_is_another_origin() {
    let ours = origin("https://tools.example.com");
    for other in [
        "https://tools.example.com.evil.example",
        "https://evil-tools.example.com",
        "https://tools.example.co",
        "https://tools.example.com:444",
        "http://tools.example.com",
        "https://x.tools.example.com",
        "https://tools.example.com.",
    ] {
        assert_ne!(ours, origin(other), "{other}");
    }
}

#[test]
fn what_is_more_or_less_than_an_origin_is_refused() {
    for text in [
        "https://tools.example.com/mcp",
        "https://tools.example.com/?",
        "https://tools.example.com#x",
        "https://user@tools.example.com",
        "https://*.example.com ",
        "tools.example.com",
        "null",
        "",
        "ftp://tools.example.com",
        "https://tools.example.com\\@evil.example",
    ] {
        assert!(text.parse::<Origin>().is_err(), "{text}");
    }
}

#[test]
fn two_realms_of_one_host_are_two_authorities() {
    let acme = issued_by("https://idp.example.com/realms/acme");
    assert!(acme.is_same_as(&issued_by("https://idp.example.com/realms/acme")));
    for other in [
        "https://idp.example.com/realms/acme2",
        "https://idp.example.com/realms/acme/",
        "https://idp.example.com/realms",
        "https://idp.example.com",
        "https://idp.example.com:443/realms/acme",
    ] {
        assert!(!acme.is_same_as(&issued_by(other)), "{other}");
    }
}

#[test]
fn where_one_side_has_no_issuer_the_origins_must_be_one() {
    let app = Authority::of_origin(origin("https://app.example.com:443"));
    assert!(app.is_same_as(&Authority::of_origin(origin("https://APP.example.com"))));
    assert!(app.is_same_as(&issued_by("https://app.example.com/login")));
    assert!(!app.is_same_as(&issued_by("https://app.example.com.evil.example")));
    assert!(!app.is_same_as(&Authority::of_origin(origin("https://app.example.com:8443"))));
    assert!(!Authority::default().is_same_as(&Authority::default()), "two unknowns share nothing");
    let moved = issued_by("https://idp.example.com").at(origin("https://app.example.com"));
    assert!(moved.is_same_as(&app));
    assert!(!moved.is_same_as(&issued_by("https://app.example.com")), "issuers are known on both sides");
}
