//! Issuers in a configuration: what is read of them, and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use bearward::config::settings::{IssuerSettings, KeysFrom};
use bearward::config::{Environment, parse};
use bearward_guard::keys::Algorithm;

fn source(issuer: &str) -> String {
    format!(
        "guards:\n  - resource: https://mcp.example.com/mcp\n    upstream: {{url: 'http://127.0.0.1:3000/mcp'}}\n    issuers:\n      - {issuer}\n"
    )
}

fn issuers(issuer: &str) -> Vec<IssuerSettings> {
    let loaded =
        parse("x", &source(issuer), Environment::new([])).unwrap_or_else(|errors| panic!("{errors:?}"));
    loaded.settings.guards[0].issuers.clone()
}

/// The messages with their help.
fn errors(issuer: &str) -> String {
    let errors = parse("x", &source(issuer), Environment::new([])).expect_err(issuer);
    let said = |problem: &bearward::config::Problem| format!("{problem} | {}", problem.help());
    errors.problems().iter().map(said).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_preset_fills_in_and_the_configuration_has_the_last_word() {
    let okta = &issuers("{issuer: 'https://a.okta.com/oauth2/default', preset: okta}")[0];
    assert_eq!(okta.algorithms, [Algorithm::RS256]);
    assert_eq!(okta.expectations.clients[0].as_str(), "cid");
    assert!(okta.expectations.may_lack_type);
    let bent = "{issuer: 'https://a.okta.com/oauth2/default', preset: okta, algorithms: [ES256], clientClaim: client_id,
         tokenTypes: [JWT], scopeClaims: [scp, /more/scopes], tenantClaim: /org/id, roleClaims: [roles]}";
    let bent = &issuers(bent)[0];
    assert_eq!(bent.algorithms, [Algorithm::ES256]);
    let expected = &bent.expectations;
    assert_eq!((expected.clients[0].as_str(), expected.may_lack_type), ("client_id", false));
    assert_eq!(
        expected.scopes.iter().map(bearward_guard::ClaimPath::as_str).collect::<Vec<_>>(),
        ["scp", "/more/scopes"]
    );
    assert_eq!((expected.tenants[0].as_str(), expected.roles[0].as_str()), ("/org/id", "roles"));
}

#[test]
fn parties_subjects_and_required_claims_are_read() {
    let issuer = "{issuer: 'https://a.example', authorizedParties: [inspector], allowedSubjects: [u1, u2],
         requiredClaims: {org_id: acme, email: '*@example.com', /realm_access/roles: [admin, ops]}}";
    let expected = &issuers(issuer)[0].expectations;
    assert_eq!(expected.authorized_parties, ["inspector"]);
    assert_eq!(expected.subjects, ["u1", "u2"]);
    assert_eq!(expected.demands.len(), 3);
}

#[test]
fn a_tenant_of_entra_becomes_both_of_its_issuers() {
    let tenant = "72F988BF-86F1-41AF-91AB-2D7CD011DB47";
    let found = issuers(&format!("{{preset: entra, tenants: [{tenant}], audience: 'api://mcp'}}"));
    let names: Vec<_> = found.iter().map(|issuer| issuer.issuer.as_str()).collect();
    let tenant = tenant.to_lowercase();
    let expected = [
        format!("https://login.microsoftonline.com/{tenant}/v2.0"),
        format!("https://sts.windows.net/{tenant}/"),
    ];
    assert_eq!(names, expected);
    assert!(
        found
            .iter()
            .all(|issuer| matches!(&issuer.keys, Some(KeysFrom::Url(url)) if url.as_str().contains(&tenant)))
    );
    assert!(found.iter().all(|issuer| issuer.expectations.audiences == ["api://mcp"]));
}

#[test]
fn keys_may_stand_in_the_configuration_itself() {
    let key = bearward_testbed::SigningKey::generate(bearward_testbed::Algorithm::EdDsa).public_jwk();
    for inline in
        [format!("'{}'", serde_json::json!({"keys": [key]})), serde_json::json!({"keys": [key]}).to_string()]
    {
        let issuer = format!("{{issuer: 'https://a.example', jwks: {{inline: {inline}}}}}");
        assert!(matches!(issuers(&issuer)[0].keys, Some(KeysFrom::Inline(_))), "{inline}");
    }
}

#[test]
fn opaque_tokens_are_asked_about_as_the_issuer_wants_it() {
    let secret = "clientSecret: {env: S}";
    let by =
        &issuers(&format!("{{issuer: 'https://a.example', introspection: {{clientId: g, {secret}}}}}"))[0];
    assert!(by.keys.is_some() && by.opaque.is_some() && !by.expectations.may_lack_audience);
    let opaque = format!(
        "{{issuer: 'https://a.example', tokens: [opaque], introspection: {{clientId: g, {secret}}}}}"
    );
    assert!(issuers(&opaque)[0].keys.is_none());
    let clerk = "{issuer: 'https://clerk.a.example', preset: clerk, secretKey: {env: S}, authorizedParties: [client_1]}";
    let clerk = &issuers(clerk)[0];
    assert_eq!(clerk.opaque.as_ref().unwrap().prefixes, ["oat_", "mt_", "ak_"]);
    assert!(clerk.expectations.may_lack_audience);
}

#[test]
fn clerks_keys_come_from_its_backend_api_where_the_configuration_says_so() {
    let clerk = |more: &str| {
        format!(
            "{{issuer: 'https://clerk.a.example', preset: clerk, secretKey: {{env: S}}, tokens: [jwt]{more}}}"
        )
    };
    let unused = errors(&clerk(""));
    assert!(unused.contains("used for nothing") && unused.contains("backendApi"), "{unused}");
    let backend = &issuers(&clerk(", jwks: {backendApi: true}"))[0];
    let Some(KeysFrom::Protected(url, _)) = &backend.keys else { panic!("{:?}", backend.keys) };
    assert!(backend.opaque.is_none());
    assert_eq!(url.as_str(), "https://api.clerk.com/v1/jwks");
    let elsewhere =
        &issuers(&clerk(", jwks: {backendApi: true}, backendApi: 'https://api.eu.example/v1/'"))[0];
    assert!(
        matches!(&elsewhere.keys, Some(KeysFrom::Protected(url, _)) if url.as_str() == "https://api.eu.example/v1/jwks")
    );
}

#[test]
fn each_mistake_is_told_with_its_remedy() {
    for (issuer, words) in [
        (
            "{issuer: 'https://a.example', preset: keyclaok}",
            &["not a preset", "did you mean `keycloak`?"][..],
        ),
        (
            "{preset: entra, issuer: 'https://login.microsoftonline.com/common/v2.0'}",
            &["many tenants", "list the tenants"],
        ),
        ("{preset: entra, tenants: [acme]}", &["not a tenant's id"]),
        (
            "{preset: entra, tenants: [72f988bf-86f1-41af-91ab-2d7cd011db47], issuer: 'https://a.example'}",
            &["remove `issuer`"],
        ),
        ("{issuer: 'https://a.example', tenants: [x]}", &["`tenants` is for `preset: entra`"]),
        ("{issuer: 'https://a.example', template: x}", &["`template` is for `preset: clerk`"]),
        ("{issuer: 'https://a.example', requiredClaims: {org_id: []}}", &["no value of `org_id`"]),
        ("{issuer: 'https://a.example', requiredClaims: {/a//b: x}}", &["names no claim"]),
        ("{issuer: 'https://a.example', scopeClaims: []}", &["is empty"]),
        ("{issuer: 'https://a.example', authorizedParties: []}", &["is empty"]),
        ("{issuer: 'https://a.example', algorithms: [HS256]}", &["not an algorithm", "RS256"]),
        ("{issuer: 'https://a.example', tokens: [opaque]}", &["nobody could be asked"]),
        ("{issuer: 'https://a.example', tokens: [saml]}", &["no kind of token"]),
        (
            "{issuer: 'https://a.example', preset: clerk, secretKey: {env: S}}",
            &["without an audience", "authorizedParties"],
        ),
        (
            "{issuer: 'https://a.example', introspection: {clientId: g, clientSecret: {env: S}, withoutAudience: true}}",
            &["authorizedParties"],
        ),
        (
            "{issuer: 'https://a.example', introspection: {clientId: g, clientSecret: {env: S}}}\n      - {issuer: 'https://b.example', introspection: {clientId: g, clientSecret: {env: S}}}",
            &["two issuers", "prefixes"],
        ),
        (
            "{issuer: 'https://a.example'}\n      - {issuer: 'https://a.example', audience: x}",
            &["names the issuer `https://a.example` twice"],
        ),
        (
            "{issuer: 'https://a.example', tokens: [opaque], introspection: {clientId: g, clientSecret: {env: S}}, backchannelLogout: {audience: x}}",
            &["needs the issuer's keys"],
        ),
        (
            "{preset: entra, tenants: [72f988bf-86f1-41af-91ab-2d7cd011db47], backchannelLogout: {audience: x}}",
            &["do not go together"],
        ),
        ("{issuer: 'https://a.example', jwks: {backendApi: true}}", &["nobody to ask", "preset: clerk"]),
        (
            "{issuer: 'https://a.example', preset: clerk, jwks: {backendApi: true}}",
            &["nobody to ask", "secretKey"],
        ),
        ("{issuer: 'https://a.example', jwks: {inline: '{}'}}", &["no key that can verify"]),
        ("{issuer: 'https://a.example', jwks: {inline: {keys: []}}}", &["no key that can verify"]),
        (
            "{issuer: 'https://a.example', jwks: {url: 'https://a.example/keys', file: keys}}",
            &["exactly one place"],
        ),
    ] {
        let said = errors(issuer);
        assert!(words.iter().all(|word| said.contains(word)), "{issuer}: {said}");
    }
}
