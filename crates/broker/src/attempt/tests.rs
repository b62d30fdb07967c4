#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::HashMap;

use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://idp.example.com/realms/acme";

fn metadata(change: impl Fn(&mut Value)) -> Metadata {
    let mut document = json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://idp.example.com/authorize?tenant=acme",
        "code_challenge_methods_supported": ["plain", "S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    change(&mut document);
    Metadata::parse(&ISSUER.parse().unwrap(), document.to_string().as_bytes()).unwrap()
}

fn usual() -> Metadata {
    metadata(|_| {})
}

fn attempt() -> Attempt {
    Attempt::begin(ISSUER.parse().unwrap(), "/notes".parse().unwrap()).unwrap()
}

fn request(scopes: &ScopeSet) -> LoginRequest<'_> {
    LoginRequest {
        client: "app",
        redirect_uri: "https://app.example.com/auth/callback",
        scopes,
        resource: Some("https://mcp.example.com/mcp"),
        more_resources: &[],
        extra: &[],
        audience: None,
        is_pkce_known: false,
    }
}

fn query(attempt: &Attempt, more: &str) -> String {
    format!("state={}&{more}", attempt.state.expose())
}

fn named() -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("iss", ISSUER).finish()
}

// SPEC CL-2, CL-3, CL-5
#[test]
fn the_browser_is_sent_with_all_that_must_come_back_and_nothing_that_must_not_leave() {
    let (attempt, scopes) = (attempt(), "openid mcp".parse().unwrap());
    let url = Url::parse(&attempt.redirect(&usual(), &request(&scopes)).unwrap()).unwrap();
    assert!(url.as_str().starts_with("https://idp.example.com/authorize?tenant=acme&"));
    let sent: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let expected = [
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", "https://app.example.com/auth/callback"),
        ("scope", "mcp openid"),
        ("state", attempt.state.expose()),
        ("nonce", attempt.nonce.expose()),
        ("code_challenge", &attempt.verifier.challenge()),
        ("code_challenge_method", "S256"),
        ("resource", "https://mcp.example.com/mcp"),
    ];
    for (name, value) in expected {
        assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(sent.len(), expected.len() + 1);
    assert!(!url.as_str().contains(attempt.verifier.expose()));
}

// SPEC CL-2
#[test]
fn an_issuer_that_does_not_say_that_it_takes_pkce_is_not_asked_unless_an_operator_says_so() {
    let scopes = "openid".parse().unwrap();
    for methods in [json!(["plain"]), json!([]), json!(null), json!("S256")] {
        let silent = metadata(|document| document["code_challenge_methods_supported"] = methods.clone());
        assert_eq!(attempt().redirect(&silent, &request(&scopes)), Err(RequestError::NoPkce), "{methods}");
        let known = LoginRequest { is_pkce_known: true, ..request(&scopes) };
        assert!(attempt().redirect(&silent, &known).unwrap().contains("code_challenge_method=S256"));
    }
}

// SPEC CL-4, CL-5
#[test]
fn a_code_is_taken_from_the_issuer_that_was_asked_for_the_login_that_was_begun() {
    let attempt = attempt();
    let answer = Answer::read(&query(&attempt, &format!("code=abc&{}", named())));
    assert_eq!(attempt.code(&usual(), &answer), Ok("abc".into()));
    let silent =
        metadata(|document| document["authorization_response_iss_parameter_supported"] = json!(false));
    assert_eq!(attempt.code(&silent, &Answer::read(&query(&attempt, "code=abc"))), Ok("abc".into()));
}

// SPEC CL-4, CL-5
#[test]
fn what_is_forged_replayed_or_mixed_up_is_refused_for_its_own_reason_and_shows_nothing_of_it() {
    let attempt = attempt();
    let other = Attempt::begin(ISSUER.parse().unwrap(), ReturnTo::root()).unwrap();
    let named = named();
    let cases = [
        (query(&other, &format!("code=abc&{named}")), ProblemKind::StateMismatch),
        (format!("code=abc&{named}"), ProblemKind::StateMismatch),
        (format!("state=&code=abc&{named}"), ProblemKind::StateMismatch),
        (query(&attempt, &format!("state=x&code=abc&{named}")), ProblemKind::StateMismatch),
        (query(&attempt, &format!("code=abc&code=def&{named}")), ProblemKind::StateMismatch),
        (query(&attempt, "code=abc"), ProblemKind::IssuerMismatch),
        (query(&attempt, "code=abc&iss=https://evil.example"), ProblemKind::IssuerMismatch),
        (query(&attempt, &format!("code=abc&{named}/")), ProblemKind::IssuerMismatch),
        (query(&attempt, "error=access_denied&iss=https://evil.example"), ProblemKind::IssuerMismatch),
        (query(&attempt, &format!("error=access_denied&{named}")), ProblemKind::LoginRefused),
        (query(&attempt, &format!("error=server_error&{named}")), ProblemKind::IssuerUnavailable),
        (
            query(&attempt, &format!("error=<script>&error_description=<b>&{named}")),
            ProblemKind::LoginRefused,
        ),
        (query(&attempt, &format!("code=abc&error=access_denied&{named}")), ProblemKind::LoginRefused),
        (query(&attempt, &format!("code=&{named}")), ProblemKind::LoginFailed),
        (query(&attempt, &named), ProblemKind::LoginFailed),
    ];
    for (query, kind) in cases {
        let problem = attempt.code(&usual(), &Answer::read(&query)).unwrap_err();
        assert_eq!(problem.kind, kind, "{query}");
        let shown = problem.document().to_string();
        assert!(!shown.contains("script") && !shown.contains("evil"), "{shown}");
    }
}

// HARD 20
#[test]
fn nothing_of_an_answer_is_shown() {
    let attempt = attempt();
    let answer = Answer::read(&query(&attempt, &format!("code=the-code&{}", named())));
    let shown = format!("{answer:?}");
    assert!(!shown.contains("the-code") && !shown.contains(attempt.state.expose()), "{shown}");
}
