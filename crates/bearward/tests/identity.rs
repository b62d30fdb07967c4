//! `identity`, `metadata` and `server.identityKeys` in a configuration: what is read of them, and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use bearward::config::settings::GuardSettings;
use bearward::config::{Environment, Settings, parse};

fn settings(server: &str, guard: &str) -> Result<Settings, String> {
    let source = format!(
        "server: {{{server}}}
mcp:
  providers:
    - name: notes
      url: http://127.0.0.1:3000
      auth: {{grant: client_credentials, authority: 'https://idp.example.com', clientId: b,
             clientSecret: {{env: S}}, allowInsecure: true}}
      tenantHeaders: {{prefix: X-TB, secret: {{env: T}}, constant: acme}}
guards:
  - resource: https://mcp.example.com/mcp
    upstream: {{url: 'http://127.0.0.1:3000/mcp', provider: notes}}
    issuers: [{{issuer: 'https://idp.example.com'}}]
{guard}
"
    );
    let told = |errors: bearward::config::ConfigErrors| {
        let said = |problem: &bearward::config::Problem| format!("{problem} | {}", problem.help());
        errors.problems().iter().map(said).collect::<Vec<_>>().join("\n")
    };
    parse("x", &source, Environment::new([])).map(|loaded| loaded.settings).map_err(told)
}

fn guard(guard: &str) -> GuardSettings {
    settings("", guard).unwrap().guards[0].clone()
}

#[test]
fn headers_and_the_assertion_are_read_with_their_defaults() {
    let told =
        guard("    identity: {headers: {X-User-Id: sub, x-roles: /realm/roles}, assertion: true}").identity;
    let headers: Vec<_> = told.headers.iter().map(|(name, claim)| (name.as_str(), claim.as_str())).collect();
    assert_eq!(headers, [("x-user-id", "sub"), ("x-roles", "/realm/roles")]);
    let assertion = told.assertion.unwrap();
    assert_eq!(
        (assertion.audience.as_str(), assertion.lifetime.as_secs()),
        ("http://127.0.0.1:3000/mcp", 60)
    );

    let bent =
        guard("    identity: {assertion: true, audience: notes, lifetime: 20s}").identity.assertion.unwrap();
    assert_eq!((bent.audience.as_str(), bent.lifetime.as_secs()), ("notes", 20));
    let nothing = guard("").identity;
    assert!(nothing.headers.is_empty() && nothing.assertion.is_none());
}

#[test]
fn a_header_that_cannot_carry_a_claim_is_refused_with_a_way_out() {
    for (identity, message) in [
        ("{headers: {Authorization: sub}}", "has a meaning of its own"),
        ("{headers: {Cookie: sub}}", "has a meaning of its own"),
        ("{headers: {X-Bearward-User: sub}}", "has a meaning of its own"),
        ("{headers: {Mcp-Session-Id: sub}}", "has a meaning of its own"),
        ("{headers: {X_User: sub}}", "not a header that every server reads alike"),
        ("{headers: {'X User': sub}}", "not a header that every server reads alike"),
        ("{headers: {X-User: sub, x-user: email}}", "two claims would stand in `x-user`"),
        ("{headers: {X-User: [sub, email]}}", "names no single claim"),
        ("{headers: {X-User: '/a//b'}}", "names no claim"),
        ("{headers: {X-TB-User: sub}}", "begins like the tenant headers"),
        ("{assertion: true, lifetime: 61s}", "out of bounds"),
        ("{assertion: true, lifetime: 0s}", "out of bounds"),
        ("{lifetime: 10s}", "there is none"),
        ("{audience: x}", "there is none"),
        ("{claims: sub}", "unknown key"),
    ] {
        let error = settings("", &format!("    identity: {identity}")).expect_err(identity);
        assert!(error.contains(message), "{identity}: {error}");
        assert_eq!(error.lines().count(), 1, "{identity}: {error}");
    }
}

#[test]
fn the_document_is_described_in_every_language_that_is_given() {
    let described = guard(
        "    metadata: {name: {default: Notes, pt-BR: Notas}, documentation: 'https://example.com/docs', authorizationDetails: [payment], signed: true}",
    );
    assert!(described.signs_metadata);
    let description = described.description;
    assert_eq!((description.name[""].as_str(), description.name["pt-BR"].as_str()), ("Notes", "Notas"));
    assert_eq!(description.documentation[""], "https://example.com/docs");
    assert_eq!(description.authorization_details, ["payment"]);
    for (metadata, message) in [
        ("{policy: 'http://example.com'}", "policy"),
        ("{terms: nowhere}", "terms"),
        ("{name: {de: Notizen}}", "`guards[0].metadata.name.default` is missing"),
        ("{name: {default: a, 'd_e': b}}", "not a language tag"),
        ("{title: x}", "unknown key"),
    ] {
        let error = settings("", &format!("    metadata: {metadata}")).expect_err(metadata);
        assert!(error.contains(message), "{metadata}: {error}");
    }
}

#[test]
fn identity_keys_are_references_and_nothing_else() {
    let keys = settings("identityKeys: [{env: NEW}, {file: old.pem}]", "").unwrap().server.identity_keys;
    assert_eq!(keys.len(), 2);
    assert_eq!(settings("identityKeys: {env: ONE}", "").unwrap().server.identity_keys.len(), 1);
    for wrong in ["identityKeys: [MC4CAQAwBQYDK2Vw]", "identityKeys: [{pem: MC4CAQAwBQYDK2Vw}]"] {
        let error = settings(wrong, "").expect_err(wrong);
        assert!(error.contains("must be a reference") && !error.contains("MC4CAQ"), "{error}");
    }
}
