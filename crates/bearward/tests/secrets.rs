//! Secrets in a configuration: where they may be, and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use bearward::config::{Environment, Loaded, load, parse};
use bearward_secrets::{AwsRef, SecretRef, VaultAuth, VaultRef};

const VAULT: &str = "vault: {address: 'https://vault.example.com:8200', auth: {token: {env: T}}}";

fn source(secret: &str, stores: &str) -> String {
    format!(
        "server: {{egress: '127.0.0.1:8090'}}
mcp:
  providers:
    - name: notes
      url: https://api.example.com
      auth:
        grant: client_credentials
        authority: https://idp.example.com
        clientId: b
        clientSecret: {secret}
{stores}
"
    )
}

fn read(secret: &str, stores: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    parse("x", &source(secret, stores), Environment::new(variables)).map_err(|errors| {
        let said = |problem: &bearward::config::Problem| {
            let (line, column) = problem.line_and_column().unzip();
            format!("{}:{} {problem} | {}", line.unwrap_or(0), column.unwrap_or(0), problem.help())
        };
        errors.problems().iter().map(said).collect::<Vec<_>>().join("\n")
    })
}

fn credential(secret: &str, stores: &str) -> SecretRef {
    read(secret, stores, &[]).unwrap().settings.providers[0]
        .request()
        .unwrap()
        .client
        .credential
        .clone()
        .unwrap()
}

fn vault(mount: &str, path: &str, field: &str) -> SecretRef {
    SecretRef::Vault(VaultRef::new(mount, path, field).unwrap())
}

fn aws(id: &str, field: Option<&str>, stage: Option<&str>) -> SecretRef {
    SecretRef::Aws(AwsRef { id: id.into(), field: field.map(Into::into), stage: stage.map(Into::into) })
}

#[test]
fn a_reference_leads_to_one_of_four_places() {
    let stores = format!("secrets: {{{VAULT}}}");
    for (secret, expected) in [
        ("{env: S}", SecretRef::Env("S".into())),
        ("{file: /run/s}", SecretRef::File("/run/s".into())),
        ("{vault: kv/notes/client, field: s}", vault("kv", "notes/client", "s")),
        ("{vault: notes/client, mount: team/kv, field: s}", vault("team/kv", "notes/client", "s")),
        ("{aws: prod/notes}", aws("prod/notes", None, None)),
        ("{aws: prod/notes, field: s, stage: AWSPENDING}", aws("prod/notes", Some("s"), Some("AWSPENDING"))),
    ] {
        assert_eq!(credential(secret, &stores), expected, "{secret}");
    }
    assert_eq!(credential("{aws: prod/notes}", ""), aws("prod/notes", None, None), "AWS needs no section");
}

#[test]
fn a_reference_to_vault_needs_to_be_told_where_that_is() {
    let said = read("{vault: kv/notes/client, field: s}", "", &[]).unwrap_err();
    insta::assert_snapshot!(said);
}

#[test]
fn what_is_wrong_with_a_reference_is_said_with_its_place() {
    let stores = format!("secrets: {{{VAULT}}}");
    let all = [
        "{vault: client, field: s}",
        "{vault: kv/notes/client}",
        "{vault: kv/notes/../../sys/seal, field: s}",
        "{vault: kv/x, field: s, stage: y}",
        "{aws: x, mount: y}",
        "{aws: x, field: ''}",
        "{vault: kv/x, aws: y, field: s}",
        "{vault: , field: s}",
        "{field: s}",
        "{vault: [kv/x], field: s}",
        "hunter2",
        "{hunter2: x}",
    ];
    let said = all.map(|secret| {
        format!("{secret}\n  {}", read(secret, &stores, &[]).unwrap_err().replace('\n', "\n  "))
    });
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_path_of_the_api_is_warned_of() {
    let stores = format!("secrets: {{{VAULT}}}");
    let warnings = read("{vault: kv/data/notes, field: s}", &stores, &[]).unwrap().warnings;
    assert!(warnings[0].message().contains("`data/` is a part of the API's path"), "{warnings:?}");
}

#[test]
fn vault_is_logged_in_to_by_one_of_three_methods_with_usual_mounts() {
    let auth = |auth: &str| {
        let stores = format!("secrets: {{vault: {{address: 'https://v.example', auth: {auth}}}}}");
        read("{env: S}", &stores, &[]).unwrap().settings.stores.vault.unwrap()
    };
    let kubernetes = auth("{kubernetes: {role: bearward}}");
    let VaultAuth::Kubernetes { mount, role, token } = &kubernetes.auth else { panic!("{kubernetes:?}") };
    let usual = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    assert_eq!(
        (mount.as_str(), role.as_str(), token),
        ("kubernetes", "bearward", &SecretRef::File(usual.into()))
    );
    assert_eq!((kubernetes.refresh, kubernetes.namespace), (Duration::from_secs(30), None));
    let app_role = auth("{appRole: {roleId: r, secretId: {file: /s}, mount: auth/team/approle}}");
    let VaultAuth::AppRole { mount, role_id, secret_id } = &app_role.auth else { panic!("{app_role:?}") };
    assert_eq!(
        (mount.as_str(), role_id.as_str(), secret_id),
        ("team/approle", "r", &SecretRef::File("/s".into()))
    );
    let token = auth("{token: {file: /t}}");
    assert!(matches!(token.auth, VaultAuth::Token(SecretRef::File(_))), "{token:?}");
}

#[test]
fn what_is_wrong_with_a_store_is_said_with_its_place() {
    let all = [
        "secrets: {vault: {auth: {token: {env: T}}}}",
        "secrets: {vault: {address: 'http://vault.example.com', auth: {token: {env: T}}}}",
        "secrets: {vault: {address: 'https://v.example'}}",
        "secrets: {vault: {address: 'https://v.example', auth: {}}}",
        "secrets: {vault: {address: 'https://v.example', auth: {token: {env: T}, kubernetes: {role: r}}}}",
        "secrets: {vault: {address: 'https://v.example', auth: {userpass: {name: r}}}}",
        "secrets: {vault: {address: 'https://v.example', auth: {token: hunter2}}}",
        "secrets: {vault: {address: 'https://v.example', auth: {token: {vault: kv/x, field: t}}}}",
        "secrets: {vault: {address: 'https://v.example', auth: {appRole: {secretId: {aws: x}}}}}",
        "secrets: {vault: {address: 'https://v.example', auth: {kubernetes: {role: r, mount: ../sys}}}}",
        "secrets: {vault: {address: 'https://v.example', auth: {kubernetes: {rolle: r}}}}",
        "secrets: {vault: {address: 'https://v.example', auth: {token: {env: T}}, refresh: 0s, tokens: x}}",
        "secrets: {aws: {region: '', endpoint: 'http://10.0.0.1', refresh: 2h}}",
        "secrets: {gcp: {}}",
    ];
    let said = all.map(|stores| {
        format!("{stores}\n  {}", read("{env: S}", stores, &[]).unwrap_err().replace('\n', "\n  "))
    });
    insta::assert_snapshot!(said.join("\n"));
    assert!(!said.join("").replace("token: hunter2", "").contains("hunter2"));
}

#[test]
fn plain_http_to_this_machine_is_warned_of() {
    let stores = "secrets: {vault: {address: 'http://127.0.0.1:8200', auth: {token: {env: T}}}, aws: {endpoint: 'http://127.0.0.1:1'}}";
    let warnings = read("{env: S}", stores, &[]).unwrap().warnings;
    let said: Vec<_> = warnings.iter().map(bearward::config::Problem::message).collect();
    assert_eq!(said, ["Vault is reached by plain HTTP", "AWS Secrets Manager is reached by plain HTTP"]);
}

#[test]
fn every_setting_of_a_store_can_come_from_a_variable() {
    let variables = [
        ("BEARWARD_SECRETS__VAULT__ADDRESS", "https://v.example"),
        ("BEARWARD_SECRETS__VAULT__AUTH__APP_ROLE__ROLE_ID", "r"),
        ("BEARWARD_SECRETS__VAULT__AUTH__APPROLE__SECRETID__ENV", "BEARWARD_VAULT_SECRET_ID"),
        ("BEARWARD_VAULT_SECRET_ID", "s"),
        ("BEARWARD_SECRETS__AWS__REGION", "eu-central-1"),
        ("BEARWARD_SECRETS__VAULT__CA_CERTIFICATE", "ca.pem"),
    ];
    let loaded = read("{vault: kv/notes, field: s}", "", &variables).unwrap();
    let (vault, aws) = (loaded.settings.stores.vault.unwrap(), loaded.settings.stores.aws);
    assert_eq!((vault.address.as_str(), aws.region.as_deref()), ("https://v.example", Some("eu-central-1")));
    assert_eq!(vault.auth.secret(), &SecretRef::Env("BEARWARD_VAULT_SECRET_ID".into()));
    let lone = read("{env: S}", "", &[("BEARWARD_SECRETS_VAULT_ADDRESS", "x")]).unwrap_err();
    assert!(lone.contains("BEARWARD_SECRETS__VAULT_ADDRESS"), "{lone}");
}

#[test]
fn files_of_a_store_are_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let stores =
        "secrets: {vault: {address: 'https://v.example', auth: {token: {file: t}}, caCertificate: ca.pem}}";
    let file = folder.path().join("bearward.yaml");
    std::fs::write(&file, source("{vault: kv/notes, field: s}", stores)).unwrap();
    let vault = load(&file, Environment::new([])).unwrap().settings.stores.vault.unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    assert_eq!((vault.ca_certificate, vault.auth.secret()), (Some(at("ca.pem")), &SecretRef::File(at("t"))));
}

// HARD 20
#[test]
fn an_error_elsewhere_shows_the_stores_but_no_secret_that_was_written_down_in_them() {
    use miette::{GraphicalReportHandler, GraphicalTheme};
    let stores = "secrets:
  vault:
    address: https://shown.example
    auth: {appRole: {roleId: shown, secretId: hunter2, password: hunter2}}
    nonsense: x
  aws: {region: shown, secretAccessKey: hunter2}";
    let errors =
        parse("x", &source("{vault: {password: hunter2}}", stores), Environment::new([])).unwrap_err();
    let mut shown = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    handler.render_report(&mut shown, &errors).unwrap();
    assert!(!shown.contains("hunter2") && shown.contains("https://shown.example"), "{shown}");
}

#[test]
fn a_check_reads_what_is_here_and_lists_what_it_would_have_to_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    let stores = "secrets: {vault: {address: 'http://127.0.0.1:1', auth: {token: {file: missing}}}}";
    let check = |stores: &str, arguments: &[&str]| {
        let file = folder.path().join("bearward.yaml");
        std::fs::write(&file, source("{vault: kv/notes, field: s}", stores)).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bearward"));
        let output =
            command.args(["config", "check"]).arg(Path::new(&file)).args(arguments).env_clear().output();
        let output = output.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, said) = check(stores, &[]);
    assert!(code == 2 && said.contains("the secret for the login to Vault cannot be read"), "{said}");
    std::fs::write(folder.path().join("missing"), "token").unwrap();
    let (code, out, said) = check(stores, &[]);
    assert!(code == 0 && out.contains("can be used"), "{said}");
    assert!(
        said.contains("was not looked at") && said.contains("field `s` of `kv/notes` in Vault"),
        "{said}"
    );
    let (code, json, _) = check(stores, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["ok"]), (0, &true.into()));
    assert_eq!(json["secretsNotLookedAt"][0]["what"], "provider `notes`");
}

#[test]
fn every_configuration_of_the_guides_to_secrets_tokens_and_logins_can_be_used_as_it_is() {
    let guides = [
        include_str!("../../../docs/guides/secrets.md"),
        include_str!("../../../docs/guides/tokens.md"),
        include_str!("../../../docs/guides/login.md"),
    ];
    for guide in guides {
        let blocks: Vec<_> =
            guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(!blocks.is_empty());
        for block in blocks {
            let loaded = parse("guide", block, Environment::new([])).unwrap();
            assert_eq!(loaded.warnings.len(), 0, "{block}");
        }
    }
}
