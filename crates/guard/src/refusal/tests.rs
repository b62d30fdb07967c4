use super::*;

fn scopes(list: &str) -> ScopeSet {
    ScopeSet::from_token(list)
}

fn challenger(realm: &str) -> Challenger {
    Challenger::new(
        realm,
        "https://a.example/.well-known/oauth-protected-resource/mcp",
        &scopes("mcp offline_access"),
    )
}

fn challenge(refusal: &Refusal) -> String {
    challenger("mcp").challenge(refusal).unwrap().to_str().unwrap().to_owned()
}

// SPEC RS-3, RS-4, RS-6, RS-7
#[test]
fn each_refusal_has_its_status_and_its_challenge() {
    let end = r#"resource_metadata="https://a.example/.well-known/oauth-protected-resource/mcp""#;
    let of = |error: &str, message: &str, scope: &str| {
        format!(
            r#"Bearer realm="mcp", error="{error}", error_description="{message}", scope="{scope}", {end}"#
        )
    };
    let nothing = Refusal::NoToken(Rejection::NoToken);
    assert_eq!(
        (nothing.status().as_u16(), challenge(&nothing)),
        (401, format!(r#"Bearer realm="mcp", scope="mcp", {end}"#))
    );
    let bad = Refusal::InvalidToken(Rejection::Expired);
    assert_eq!((bad.status().as_u16(), challenge(&bad)), (401, of("invalid_token", bad.message(), "mcp")));
    let malformed = Refusal::InvalidRequest(Rejection::SeveralTokens);
    assert_eq!(
        (malformed.status().as_u16(), challenge(&malformed)),
        (400, of("invalid_request", malformed.message(), "mcp"))
    );
    let needed = Refusal::InsufficientScope { needed: scopes("mcp offline_access notes:write") };
    assert_eq!(
        (needed.status().as_u16(), challenge(&needed)),
        (403, of("insufficient_scope", needed.message(), "mcp notes:write"))
    );
}

#[test]
fn a_guard_without_keys_sends_nobody_to_log_in() {
    let refusal =
        Refusal::Unavailable { reason: Rejection::KeysUnavailable, retry_after: Duration::from_secs(5) };
    assert_eq!((refusal.status().as_u16(), challenger("mcp").challenge(&refusal)), (503, None));
}

// The exact reason goes to the event alone.
#[test]
fn a_caller_is_not_told_why_its_token_is_bad() {
    let all = [
        Rejection::Expired,
        Rejection::Signature,
        Rejection::Audience,
        Rejection::Issuer,
        Rejection::UnknownKey,
    ];
    let told: std::collections::HashSet<_> =
        all.map(|reason| challenge(&Refusal::InvalidToken(reason))).into();
    assert_eq!(told.len(), 1);
}

#[test]
fn a_realm_cannot_break_out_of_its_quotes() {
    let header =
        challenger("a\", error=\"x\\\r\nb é").challenge(&Refusal::NoToken(Rejection::NoToken)).unwrap();
    assert!(
        header.to_str().unwrap().starts_with(r#"Bearer realm="a\", error=\"x\\b ", scope"#),
        "{header:?}"
    );
}
