//! Providers in a configuration: as whom their tokens are asked for, and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use bearward::config::settings::{ClientSettings, GrantSettings, ProviderSettings};
use bearward::config::{Environment, parse};
use bearward_issuer::ClientAuth;
use bearward_secrets::SecretRef;

/// A provider with the client credentials grant.
fn provider(auth: &str) -> Result<ProviderSettings, String> {
    with_grant(&format!("grant: client_credentials, {ASKS}, {auth}"), "")
}

const ASKS: &str = "authority: 'https://idp.example.com', clientId: b";

/// A provider with this `auth`, and more beside.
fn with_grant(auth: &str, more: &str) -> Result<ProviderSettings, String> {
    let source = format!(
        "server: {{egress: '127.0.0.1:8090'}}
mcp:
  providers:
    - name: notes
      url: https://api.example.com
      auth: {{{auth}}}
guards:
  - resource: https://mcp.example.com/mcp
    upstream: {{url: 'https://api.example.com/mcp', provider: notes}}
    issuers: [{{issuer: 'https://idp.example.com', preset: oidc, audience: 'https://mcp.example.com/mcp'}}]
{more}
"
    );
    let told = |errors: bearward::config::ConfigErrors| {
        let said = |problem: &bearward::config::Problem| format!("{problem} | {}", problem.help());
        errors.problems().iter().map(said).collect::<Vec<_>>().join("\n")
    };
    parse("x", &source, Environment::new([])).map(|loaded| loaded.settings.providers[0].clone()).map_err(told)
}

fn client(provider: &ProviderSettings) -> ClientSettings {
    provider.request().unwrap().client.clone()
}

// SPEC CL-9
#[test]
fn the_kind_of_credential_says_how_a_client_proves_itself() {
    let client = |auth: &str| provider(auth).map(|provider| client(&provider));
    let secret = client("clientSecret: {env: S}").unwrap();
    assert_eq!((secret.auth, secret.assertion_audience), (ClientAuth::SecretBasic, None));
    let posted = client("clientSecret: {env: S}, clientAuth: client_secret_post").unwrap();
    assert_eq!(posted.auth, ClientAuth::SecretPost);
    let key =
        client("clientKey: {file: key.pem}, assertionAudience: 'https://idp.example.com/token'").unwrap();
    assert_eq!(key.auth, ClientAuth::PrivateKeyJwt);
    assert_eq!(key.credential, Some(SecretRef::File("key.pem".into())));
    assert_eq!(key.assertion_audience.as_deref(), Some("https://idp.example.com/token"));
}

#[test]
fn what_some_server_wants_beside_is_sent_as_it_is() {
    let provider =
        provider("clientSecret: {env: S}, parameters: {organization: org_1, realm: [a, b]}").unwrap();
    let extra = &provider.request().unwrap().extra;
    let extra: Vec<_> = extra.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(extra, [("organization", "org_1"), ("realm", "a"), ("realm", "b")]);
}

#[test]
fn what_does_not_go_together_is_refused_with_a_way_out() {
    for (auth, message) in [
        ("scopes: [a]", "`mcp.providers[0].auth.clientSecret` is missing"),
        ("clientSecret: {env: S}, clientKey: {env: K}", "not by both"),
        ("clientSecret: {env: S}, clientAuth: private_key_jwt", "needs another credential"),
        ("clientKey: {env: K}, clientAuth: client_secret_basic", "needs another credential"),
        ("clientSecret: {env: S}, assertionAudience: x", "is for a client with `clientKey`"),
        ("clientSecret: {env: S}, clientAuth: tls_client_auth", "not a client authentication that fits"),
        ("clientKey: MC4CAQAwBQYDK2Vw", "must be a reference"),
        ("clientSecret: {env: S}, parameters: {client_secret: x}", "is said by Bearward itself"),
    ] {
        let error = provider(auth).expect_err(auth);
        assert!(error.contains(message), "{auth}: {error}");
        assert!(!error.contains("MC4CAQAw"), "{error}");
    }
}

const STATE: &str = "state: {backend: file, path: ./state, key: {env: K}}";

#[test]
fn each_grant_reads_what_it_needs() {
    let grant = |auth: &str, more: &str| with_grant(auth, more).map(|provider| provider.grant).unwrap();
    let secret = "clientSecret: {env: S}";

    let exchange = grant(&format!("grant: token_exchange, {ASKS}, {secret}, actor: {{scopes: [act]}}"), "");
    let GrantSettings::TokenExchange { actor: Some(actor), share: None, .. } = exchange else {
        panic!("{exchange:?}")
    };
    assert_eq!(actor.scopes.to_string(), "act");

    let staged = "grant: {first: token_exchange, otherwise: client_credentials, share: 10%}";
    let staged = grant(&format!("{staged}, {ASKS}, {secret}"), "");
    let GrantSettings::TokenExchange { share: Some(share), .. } = staged else { panic!("{staged:?}") };
    assert_eq!(share, bearward_token::Share::percent(10));

    let refresh = format!("grant: refresh_token, {ASKS}, clientAuth: none, refreshToken: {{file: r}}");
    let GrantSettings::RefreshToken { request, given } = grant(&refresh, STATE) else { panic!() };
    assert_eq!((request.client.auth, request.client.credential), (ClientAuth::None, None));
    assert_eq!(given, SecretRef::File("r".into()));

    let fixed = grant("grant: static, token: {env: T}", "");
    assert!(matches!(fixed, GrantSettings::Static { authority: None, .. }), "{fixed:?}");
    let passthrough = grant("grant: passthrough, resource: 'https://mcp.example.com/mcp'", "");
    assert!(matches!(passthrough, GrantSettings::Passthrough { .. }), "{passthrough:?}");
}

#[test]
fn what_a_grant_cannot_use_or_lacks_is_refused_with_a_way_out() {
    let secret = "clientSecret: {env: S}";
    let cases = [
        ("grant: static, token: {env: T}, clientId: b".to_owned(), "of no use to grant `static`"),
        ("grant: static".to_owned(), "auth.token` is missing"),
        ("grant: passthrough".to_owned(), "auth.resource` is missing"),
        ("grant: passthrough, resource: 'https://other.example'".to_owned(), "issued for another resource"),
        (
            format!("grant: client_credentials, {ASKS}, {secret}, refreshToken: {{env: R}}"),
            "of no use to grant",
        ),
        (
            format!("grant: client_credentials, {ASKS}, clientAuth: none"),
            "a public client cannot be used here",
        ),
        (format!("grant: refresh_token, {ASKS}, clientAuth: none, refreshToken: {{env: R}}"), "`state.path`"),
        (
            format!("grant: refresh_token, {ASKS}, clientAuth: none, clientSecret: {{env: R}}"),
            "has no secret",
        ),
        (
            format!("grant: {{first: static, otherwise: client_credentials, share: 5%}}, {ASKS}, {secret}"),
            "`static`",
        ),
        (
            format!(
                "grant: {{first: token_exchange, otherwise: client_credentials, share: 5}}, {ASKS}, {secret}"
            ),
            "share",
        ),
        (
            format!("grant: {{first: token_exchange, otherwise: client_credentials}}, {ASKS}, {secret}"),
            "share` is missing",
        ),
        (format!("grant: token_exchange, {ASKS}, {secret}, storage: {{access: disk}}"), "no kind of storage"),
        (
            format!("grant: token_exchange, {ASKS}, {secret}, storage: {{access: memory}}"),
            "of no use to grant",
        ),
        (format!("grant: token_exchange, {ASKS}, {secret}, prefetch: true"), "of no use to grant"),
        ("grant: passthrough, resource: x, minTTL: {access: 5m}".to_owned(), "of no use to grant"),
        (
            format!("grant: client_credentials, {ASKS}, {secret}, storage: {{access: encrypted}}"),
            "`state.path`",
        ),
        (format!("grant: client_credentials, {ASKS}, {secret}, handOut: true"), "`audience` or `resource`"),
        (
            format!("grant: client_credentials, {ASKS}, {secret}, storage: {{id: keychain}}"),
            "ID tokens are kept in memory",
        ),
    ];
    for (auth, message) in cases {
        let error = with_grant(&auth, "").expect_err(&auth);
        assert!(error.contains(message), "{auth}: {error}");
    }
}

#[test]
fn how_tokens_are_kept_is_said_by_the_provider_or_else_for_all() {
    use bearward_store::Kept;
    let auth = format!("grant: client_credentials, {ASKS}, clientSecret: {{env: S}}");
    let built_in = with_grant(&auth, "").unwrap();
    assert_eq!(
        (
            built_in.storage.access,
            built_in.storage.id,
            built_in.storage.refresh,
            built_in.min_ttl.access.as_secs()
        ),
        (Kept::Memory, Kept::Memory, Kept::Encrypted, 0)
    );
    let default = "default: {mcp: {minTTL: {access: 30m, id: 10m}, storage: {access: encrypted}}}";
    let more = format!("{default}\n{STATE}");
    let by_default = with_grant(&auth, &more).unwrap();
    assert_eq!((by_default.storage.access, by_default.min_ttl.access.as_secs()), (Kept::Encrypted, 1800));
    let own =
        with_grant(&format!("{auth}, minTTL: {{access: 5m}}, storage: {{access: memory}}"), &more).unwrap();
    assert_eq!(
        (own.storage.access, own.min_ttl.access.as_secs(), own.min_ttl.id.as_secs()),
        (Kept::Memory, 300, 600)
    );

    let both = "default: {minTTL: {access: 5m}, mcp: {minTTL: {access: 30m}}}";
    assert!(with_grant(&auth, both).unwrap_err().contains("say different things"));
    let same = "default: {minTTL: {access: 5m}, mcp: {minTTL: {access: 5m, id: 1m}}}";
    assert!(with_grant(&auth, same).is_ok());
}
