//! What is read, and when again.

use bearward_secrets::{SecretError, VaultRef};
use bearward_testbed::vault::Place;
use futures_util::future::join_all;
use serde_json::json;

use crate::scene::{NOTES, REFRESH, Scene, at, said};

#[tokio::test]
async fn a_field_is_read_after_a_login_and_kept_for_its_time() {
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    assert_eq!(scene.read_at("kv", "notes/client", "other").await, said("looking-glass"));
    assert_eq!(scene.read().await, said("wonderland"));
    assert_eq!(scene.asked(), [1, 0, 2], "one login, and one read for each reference");
}

#[tokio::test]
async fn a_new_version_is_seen_once_what_was_known_is_old() {
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    let before = scene.secrets.version(&at("kv", "notes/client", "client_secret"));
    assert_eq!(scene.vault.put("kv", "notes/client", &[("client_secret", "underland")]), 2);
    scene.clock.advance(REFRESH - std::time::Duration::from_millis(1));
    assert_eq!(scene.read().await, said("wonderland"));
    scene.clock.advance(std::time::Duration::from_millis(1));
    assert_eq!(scene.read().await, said("underland"));
    let after = scene.secrets.version(&at("kv", "notes/client", "client_secret"));
    assert!(before.is_some() && after.is_some() && before != after);
}

#[tokio::test]
async fn a_version_that_was_refused_is_looked_up_again_at_once() {
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    scene.vault.put("kv", "notes/client", &[("client_secret", "underland")]);
    scene.secrets.doubt(&at("kv", "notes/client", "client_secret"));
    assert_eq!(scene.read().await, said("underland"));
}

#[tokio::test]
async fn a_hundred_readers_cost_one_login_and_one_read() {
    let scene = Scene::new().await;
    let all = join_all((0..100).map(|_| scene.read())).await;
    assert!(all.iter().all(|read| *read == said("wonderland")));
    assert_eq!(scene.asked(), [1, 0, 1]);
    // Different secrets share the login.
    let scene = Scene::new().await;
    let others = (0..10).map(|number| format!("notes/{number}")).collect::<Vec<_>>();
    for path in &others {
        scene.vault.put("kv", path, &[("client_secret", "x")]);
    }
    let all = join_all(others.iter().map(|path| scene.read_at("kv", path, "client_secret"))).await;
    assert!(all.iter().all(|read| *read == said("x")));
    assert_eq!(scene.asked(), [1, 0, 10]);
}

#[tokio::test]
async fn a_mount_may_have_several_levels_and_a_path_odd_letters() {
    let scene = Scene::new().await;
    scene.vault.approle("notes-gateway", "the-secret-id", &["team/kv/data/*"]);
    scene.vault.put("team/kv", "a b/ü?#%2f", &[("client_secret", "odd")]);
    assert_eq!(scene.read_at("team/kv", "a b/ü?#%2f", "client_secret").await, said("odd"));
}

#[test]
fn a_path_that_would_lead_elsewhere_is_none() {
    for (mount, path) in [
        ("kv", ""),
        ("", "notes"),
        ("kv", "notes/../../sys/seal"),
        ("kv", "./notes"),
        ("kv", "notes//client"),
        ("kv", "notes/"),
        ("..", "notes"),
    ] {
        assert!(VaultRef::new(mount, path, "x").is_err(), "{mount} {path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_apart_from_what_was_deleted_and_from_a_missing_field() {
    let scene = Scene::new().await;
    let missing = scene.read_at("kv", "notes/nobody", "client_secret").await.unwrap_err();
    assert!(matches!(missing, SecretError::NotFound { .. }), "{missing:?}");
    let field = scene.read_at("kv", "notes/client", "password").await.unwrap_err();
    assert!(matches!(field, SecretError::NoField(_)), "{field:?}");
    scene.vault.delete("kv", "notes/client");
    let deleted = scene.read_at("kv", "notes/client", "client_secret").await.unwrap_err();
    assert!(matches!(deleted, SecretError::Deleted { .. }), "{deleted:?}");
    insta::assert_snapshot!([missing, field, deleted].map(|error| error.to_string()).join("\n"));
}

#[tokio::test]
async fn only_a_text_that_is_not_empty_is_a_secret() {
    let scene = Scene::new().await;
    let fields = json!({"number": 7, "nothing": null, "empty": "", "long": "x".repeat(64 * 1024 + 1)});
    scene.vault.put_json("kv", "notes/odd", fields.as_object().unwrap().clone());
    let error = async |field: &str| scene.read_at("kv", "notes/odd", field).await.unwrap_err();
    assert!(matches!(error("number").await, SecretError::NotText(_)));
    assert!(matches!(error("nothing").await, SecretError::NoField(_)));
    assert!(matches!(error("empty").await, SecretError::Empty(_)));
    assert!(matches!(error("long").await, SecretError::NotText(_)));
}

#[tokio::test]
async fn a_reference_to_vault_without_settings_says_what_to_write() {
    let secrets = bearward_secrets::Secrets::new([].into());
    let error = secrets.read(&at("kv", "notes/client", "client_secret")).await.unwrap_err();
    assert!(matches!(error, SecretError::NoVault(_)) && error.to_string().contains("secrets:"), "{error}");
}

#[tokio::test]
async fn a_namespace_and_the_request_header_are_sent() {
    let build = |vault: bearward_testbed::vault::Builder| vault.namespace("team-a").requires_request_header();
    let scene = Scene::with(build, |settings| settings.namespace = Some("team-a".into())).await;
    assert_eq!(scene.read().await, said("wonderland"));
    let elsewhere = Scene::with(build, |settings| settings.namespace = Some("team-b".into())).await;
    let error = elsewhere.read().await.unwrap_err();
    assert!(matches!(error, SecretError::LoginRefused { .. }), "{error:?}");
    assert_eq!(elsewhere.vault.asked(Place::Read), 0);
}

#[tokio::test]
async fn a_policy_that_does_not_allow_it_is_told_with_the_line_that_would() {
    let scene = Scene::new().await;
    scene.vault.put("kv", "payments/client", &[("client_secret", "x")]);
    let error = scene.read_at("kv", "payments/client", "client_secret").await.unwrap_err();
    assert!(matches!(error, SecretError::Denied { .. }), "{error:?}");
    assert!(error.to_string().contains(r#"path "kv/data/payments/client" { capabilities = ["read"] }"#));
    assert_eq!(scene.asked(), [2, 0, 2], "asked again with a new token, once");
    scene.clock.advance(std::time::Duration::from_secs(1));
    assert!(scene.read_at("kv", "payments/client", "client_secret").await.is_err());
    assert_eq!(scene.asked(), [2, 0, 3], "no new token for every denial");
    scene.vault.approle("notes-gateway", "the-secret-id", &[NOTES, "kv/data/payments/*"]);
    scene.later();
    assert_eq!(scene.read_at("kv", "payments/client", "client_secret").await, said("x"));
}
