#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::*;

const ISSUER: &str = "https://idp.example.com/realms/acme";

fn provider() -> Provider {
    Provider {
        name: "tools".into(),
        authority: Authority::of_issuer(ISSUER.parse().unwrap()),
        origins: vec!["https://tools.example.com".parse().unwrap(), "http://127.0.0.1:3000".parse().unwrap()],
        audience: "mcp:tools".into(),
        audiences: vec!["mcp:tools".into()],
        allow_insecure: false,
        choice: Choice::default(),
    }
}

fn application() -> Authority {
    Authority::of_issuer(ISSUER.parse().unwrap()).at("https://app.example.com".parse().unwrap())
}

fn on() -> Levels {
    Levels { global: Choice { reuse: Some(true), mode: None }, ..Levels::default() }
}

fn to(provider: &Provider, url: &str) -> Result<(), Denial> {
    judge(&on(), &application(), provider, &url.parse().unwrap())
}

const GOOD: &str = "https://tools.example.com/mcp";

#[test]
fn where_all_holds_a_token_may_be_attached() {
    assert_eq!(to(&provider(), GOOD), Ok(()));
    assert_eq!(to(&provider(), "https://TOOLS.example.com:443/else?x=y"), Ok(()));
    let insecure = Provider { allow_insecure: true, ..provider() };
    assert_eq!(to(&insecure, "http://127.0.0.1:3000/mcp"), Ok(()));
}

#[test]
fn the_first_that_does_not_hold_is_told_and_the_next_once_it_is_mended() {
    let mut levels = Levels::default();
    levels.env.mode = Some(Mode::CookieFirst);
    let mut wrong = Provider {
        origins: Vec::new(),
        authority: Authority::of_issuer("https://idp.example.com/realms/other".parse().unwrap()),
        audiences: vec!["mcp:other".into()],
        ..provider()
    };
    let url: Url = "http://127.0.0.1:3000/mcp".parse().unwrap();
    let mut said = Vec::new();
    let mut mended = 0;
    while let Err(denial) = judge(&levels, &application(), &wrong, &url) {
        said.push(denial);
        match denial {
            Denial::ReuseDisabled => levels.context.reuse = Some(true),
            Denial::ModeNotBearerFirst => levels.context.mode = Some(Mode::BearerFirst),
            Denial::OriginNotAllowed => wrong.origins = provider().origins,
            Denial::SchemeBlocked => wrong.allow_insecure = true,
            Denial::AuthorityMismatch => wrong.authority = provider().authority,
            Denial::AudienceNotAllowed => wrong.audiences = Vec::new(),
            Denial::SubjectMismatch => unreachable!("a program knows one user"),
        }
        mended += 1;
        assert!(mended <= 6, "{said:?}");
    }
    assert_eq!(said, Denial::ALL[..6]);
}

#[test]
fn an_origin_that_merely_looks_like_an_allowed_one_gets_nothing() {
    for url in [
        "https://tools.example.com.evil.example/mcp",
        "https://evil-tools.example.com/mcp",
        "https://tools.example.com:8443/mcp",
        "https://tools.example.com@evil.example/mcp",
        "https://tools.example.com./mcp",
        "http://tools.example.com/mcp",
        "https://evil.example/https://tools.example.com",
        "wss://tools.example.com/mcp",
        "file:///tools.example.com",
    ] {
        assert_eq!(to(&provider(), url), Err(Denial::OriginNotAllowed), "{url}");
    }
}

#[test]
fn plain_http_carries_a_token_to_loopback_alone_and_only_when_that_was_asked_for() {
    let mut open = Provider { origins: vec!["http://tools.example.com".parse().unwrap()], ..provider() };
    assert_eq!(to(&open, "http://tools.example.com/mcp"), Err(Denial::SchemeBlocked));
    open.allow_insecure = true;
    assert_eq!(to(&open, "http://tools.example.com/mcp"), Err(Denial::SchemeBlocked), "not this machine");
    assert_eq!(to(&provider(), "http://127.0.0.1:3000/mcp"), Err(Denial::SchemeBlocked), "not asked for");
}

#[test]
fn another_realm_of_the_same_host_gets_nothing() {
    for issuer in [
        "https://idp.example.com/realms/acme2",
        "https://idp.example.com",
        "https://idp.example.com/realms/acme/",
    ] {
        let other = Provider { authority: Authority::of_issuer(issuer.parse().unwrap()), ..provider() };
        assert_eq!(to(&other, GOOD), Err(Denial::AuthorityMismatch), "{issuer}");
    }
    let same_site = Provider {
        authority: Authority::of_origin("https://app.example.com".parse().unwrap()),
        ..provider()
    };
    assert_eq!(to(&same_site, GOOD), Ok(()), "the application's own origin");
}
