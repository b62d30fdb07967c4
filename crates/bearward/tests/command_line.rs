//! The commands as a person calls them: what they print, and how they exit.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const GOOD: &str = "
mcp:
  providers:
    - name: notes
      url: https://notes.example.com
      auth: {grant: client_credentials, authority: 'https://idp.example.com', clientId: a, clientSecret: {file: key}}
guards:
  - resource: https://mcp.example.com/mcp
    upstream: {url: 'https://notes.example.com/mcp', provider: notes}
    issuers: [{issuer: 'https://idp.example.com'}]
";

fn bearward(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bearward"));
    command.args(arguments).current_dir(folder).env_clear().output().unwrap()
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    said(&bearward(Path::new("."), arguments))
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_new_key_has_256_bits_and_is_another_one_each_time() {
    let (code, key, _) = run(&["keygen"]);
    assert_eq!((code, key.trim_end().len()), (0, 43));
    assert_ne!(run(&["keygen"]).1, key);
    let (_, hex, _) = run(&["keygen", "--hex"]);
    assert!(hex.trim_end().len() == 64 && hex.trim_end().bytes().all(|b| b.is_ascii_hexdigit()), "{hex}");
    let (_, json, _) = run(&["keygen", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["bits"], &json["encoding"]), (&256.into(), &"base64url".into()));
}

#[test]
fn completions_name_every_command_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, _) = run(&["completions", shell]);
        assert_eq!(code, 0);
        for command in ["serve", "demo", "config", "keygen"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    assert_eq!(run(&["completions", "tcsh"]).0, 2);
}

#[test]
fn help_teaches_where_to_start_and_wrong_usage_exits_with_2() {
    let (code, help, _) = run(&["--help"]);
    assert!(code == 0 && help.contains("bearward demo") && help.contains("Exit codes"), "{help}");
    for command in [&["serve"][..], &["config", "check"], &["demo"], &["keygen"], &["completions"]] {
        let (code, help, _) = run(&[command, &["--help"]].concat());
        assert!(code == 0 && help.contains("Usage"), "{help}");
    }
    assert_eq!(run(&["serve"]).0, 2, "neither a file nor variables");
    assert_eq!(run(&["sevre"]).0, 2);
}

#[test]
fn a_good_configuration_is_explained_and_its_secrets_are_looked_for_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bearward.yaml");
    std::fs::write(&config, GOOD).unwrap();
    let (code, out, err) = said(&bearward(folder.path(), &["config", "check"]));
    assert_eq!(code, 2);
    assert!(err.contains("the secret for provider `notes` cannot be read"), "{err}");
    assert!(!out.contains("can be used"), "{out}");
    assert_eq!(said(&bearward(folder.path(), &["config", "check", "--no-secrets"])).0, 0);

    std::fs::write(folder.path().join("key"), "s3cret-value").unwrap();
    set_mode(&folder.path().join("key"), 0o600);
    // From elsewhere: a relative path starts at the configuration, not where one stands.
    let (code, out, err) = run(&["config", "check", config.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("guards https://mcp.example.com/mcp") && out.contains("can be used"), "{out}");

    set_mode(&folder.path().join("key"), 0o644);
    let (code, _, err) = run(&["config", "check", config.to_str().unwrap()]);
    assert!(code == 0 && err.contains("every user of this machine can read"), "{err}");
    let (_, json, _) = run(&["config", "check", config.to_str().unwrap(), "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["ok"], json["warnings"].as_array().unwrap().len()), (&true.into(), 1));
    assert!(!json.to_string().contains("s3cret-value"));
}

#[test]
fn a_bad_configuration_exits_with_2_and_says_where_and_how_to_mend_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bearward.yaml");
    std::fs::write(&config, GOOD.replace("upstream:", "upstraem:")).unwrap();
    for command in [&["config", "check", "bearward.yaml"][..], &["serve", "--config", "bearward.yaml"]] {
        let (code, _, err) = said(&bearward(folder.path(), command));
        assert_eq!(code, 2, "{err}");
        assert!(err.contains("bearward.yaml:9") && err.contains("did you mean `upstream`?"), "{err}");
    }
    let (code, json, _) = said(&bearward(folder.path(), &["config", "check", "--json"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["ok"], &json["errors"][0]["line"]), (2, &false.into(), &8.into()));
    let (code, _, err) = said(&bearward(folder.path(), &["serve", "--config", "nowhere.yaml"]));
    assert!(code == 2 && err.contains("nowhere.yaml cannot be read"), "{err}");
    let (code, _, err) = run(&["serve", "--config", "x", "--log", "a=b=c"]);
    assert!(code == 2 && err.contains("--log"), "{err}");
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
