//! Providers in a configuration: as whom their tokens are asked for, and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use bearward::config::settings::ProviderSettings;
use bearward::config::{Environment, parse};
use bearward_issuer::ClientAuth;
use bearward_secrets::SecretRef;

fn provider(auth: &str) -> Result<ProviderSettings, String> {
    let source = format!(
        "server: {{egress: '127.0.0.1:8090'}}
mcp:
  providers:
    - name: notes
      url: https://api.example.com
      auth: {{grant: client_credentials, authority: 'https://idp.example.com', clientId: b, {auth}}}
"
    );
    let told = |errors: bearward::config::ConfigErrors| {
        let said = |problem: &bearward::config::Problem| format!("{problem} | {}", problem.help());
        errors.problems().iter().map(said).collect::<Vec<_>>().join("\n")
    };
    parse("x", &source, Environment::new([])).map(|loaded| loaded.settings.providers[0].clone()).map_err(told)
}

// SPEC CL-9
#[test]
fn the_kind_of_credential_says_how_a_client_proves_itself() {
    let secret = provider("clientSecret: {env: S}").unwrap().client;
    assert_eq!((secret.auth, secret.assertion_audience), (ClientAuth::SecretBasic, None));
    let posted = provider("clientSecret: {env: S}, clientAuth: client_secret_post").unwrap().client;
    assert_eq!(posted.auth, ClientAuth::SecretPost);
    let key = provider("clientKey: {file: key.pem}, assertionAudience: 'https://idp.example.com/token'");
    let key = key.unwrap().client;
    assert_eq!((key.auth, key.credential), (ClientAuth::PrivateKeyJwt, SecretRef::File("key.pem".into())));
    assert_eq!(key.assertion_audience.as_deref(), Some("https://idp.example.com/token"));
}

#[test]
fn what_some_server_wants_beside_is_sent_as_it_is() {
    let extra =
        provider("clientSecret: {env: S}, parameters: {organization: org_1, realm: [a, b]}").unwrap().extra;
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
