//! How a token is had, renewed and replaced.

use std::fs;
use std::time::Duration;

use bearward_secrets::{SecretError, SecretRef, VaultAuth, VaultRef, VaultSettings};
use bearward_testbed::vault::{Builder, Fault, Place};
use bearward_token::SystemClock;

use crate::scene::{DAY, LEASE, NOTES, REFRESH, Scene, said, secrets};

fn kubernetes(file: &std::path::Path) -> impl FnOnce(&mut VaultSettings) {
    let token = SecretRef::File(file.to_owned());
    move |settings| {
        settings.auth = VaultAuth::Kubernetes { mount: "kubernetes".into(), role: "bearward".into(), token };
    }
}

#[tokio::test]
async fn a_service_account_of_kubernetes_logs_in_with_the_token_that_its_file_holds_now() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "first.jwt.x").unwrap();
    let scene = Scene::with(|vault| vault, kubernetes(&file)).await;
    scene.vault.kubernetes("bearward", "first.jwt.x", &[NOTES]);
    assert_eq!(scene.read().await, said("wonderland"));
    // Kubernetes has put another one there, and the login that the old one gave is over.
    fs::write(&file, "second.jwt.x\n").unwrap();
    scene.vault.kubernetes("bearward", "second.jwt.x", &[NOTES]);
    scene.clock.advance(DAY);
    assert_eq!(scene.read().await, said("wonderland"));
    assert_eq!(scene.asked(), [2, 0, 2]);
}

#[tokio::test]
async fn a_login_that_is_refused_says_which_and_what_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "stranger.jwt.x").unwrap();
    let wrong_id = |settings: &mut VaultSettings| {
        *settings.auth.secret_mut() = SecretRef::Env("WRONG_ID".into());
    };
    let token =
        |settings: &mut VaultSettings| settings.auth = VaultAuth::Token(SecretRef::Env("WRONG_ID".into()));
    let mut all = Vec::new();
    for scene in [
        Scene::with(|vault| vault, wrong_id).await,
        Scene::with(|vault| vault, kubernetes(&file)).await,
        Scene::with(|vault| vault, token).await,
    ] {
        scene.vault.kubernetes("bearward", "known.jwt.x", &[NOTES]);
        let error = scene.read().await.unwrap_err();
        assert!(matches!(error, SecretError::LoginRefused { .. }), "{error:?}");
        all.push(error.to_string());
    }
    insta::assert_snapshot!(all.join("\n"));
    let unset = |settings: &mut VaultSettings| *settings.auth.secret_mut() = SecretRef::Env("UNSET".into());
    let scene = Scene::with(|vault| vault, unset).await;
    assert_eq!(scene.read().await, Err(SecretError::NotSet("UNSET".into())));
}

#[tokio::test]
async fn a_token_that_was_given_is_looked_at_renewed_and_read_anew_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent-token");
    let token =
        |settings: &mut VaultSettings| settings.auth = VaultAuth::Token(SecretRef::File(file.clone()));
    let scene = Scene::with(|vault| vault, token).await;
    fs::write(&file, scene.vault.token(&[NOTES])).unwrap();
    assert_eq!(scene.read().await, said("wonderland"));
    scene.clock.advance(LEASE * 3 / 4);
    assert_eq!(scene.read().await, said("wonderland"));
    assert_eq!((scene.vault.asked(Place::Lookup), scene.asked()), (1, [0, 1, 2]));
    // Whoever looks after the file has put another one there.
    fs::write(&file, scene.vault.token(&[NOTES])).unwrap();
    scene.clock.advance(LEASE);
    fs::write(&file, scene.vault.token(&[NOTES])).unwrap();
    assert_eq!(scene.read().await, said("wonderland"));
    assert_eq!(scene.vault.asked(Place::Lookup), 2);
}

#[tokio::test]
async fn a_token_is_renewed_when_less_than_a_third_of_its_lease_is_left() {
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    scene.clock.advance(LEASE * 2 / 3);
    assert_eq!(scene.read().await, said("wonderland"));
    assert_eq!(scene.asked(), [1, 0, 2], "a third is left");
    scene.clock.advance(REFRESH);
    assert_eq!(scene.read().await, said("wonderland"));
    assert_eq!(scene.asked(), [1, 1, 3]);
    scene.clock.advance(LEASE * 2 / 3);
    assert_eq!(scene.read().await, said("wonderland"));
    assert_eq!(scene.asked(), [1, 1, 4], "the renewed lease counts from its renewal");
}

#[tokio::test]
async fn a_token_that_is_renewed_to_its_very_end_is_then_replaced() {
    let scene = Scene::with(|vault| vault.lease(LEASE, LEASE * 2), |_| {}).await;
    for _ in 0..16 {
        assert_eq!(scene.read().await, said("wonderland"));
        scene.clock.advance(LEASE / 4);
    }
    let [logins, renewals, reads] = scene.asked();
    assert_eq!((logins, reads), (2, 16), "nobody noticed");
    assert!(renewals >= 2, "{renewals}");
}

#[tokio::test]
async fn where_renewal_is_refused_or_impossible_a_new_login_is_made() {
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    scene.vault.refuse_renewals();
    scene.clock.advance(LEASE * 3 / 4);
    assert_eq!(scene.read().await, said("wonderland"));
    assert_eq!(scene.asked(), [2, 1, 2]);
    let batch = Scene::with(Builder::not_renewable, |_| {}).await;
    assert_eq!(batch.read().await, said("wonderland"));
    batch.clock.advance(LEASE * 3 / 4);
    assert_eq!(batch.read().await, said("wonderland"));
    assert_eq!(batch.asked(), [1, 0, 2], "a batch token lasts as it is");
    batch.clock.advance(LEASE);
    assert_eq!(batch.read().await, said("wonderland"));
    assert_eq!(batch.asked(), [2, 0, 3]);
}

#[tokio::test]
async fn a_renewal_that_nobody_answers_leaves_the_token_that_still_serves() {
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    scene.vault.fault(Place::Renewal, Fault::Status(500));
    scene.vault.put("kv", "notes/client", &[("client_secret", "underland")]);
    scene.clock.advance(LEASE * 3 / 4);
    assert_eq!(scene.read().await, said("underland"));
    assert_eq!(scene.asked(), [1, 1, 2]);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_and_the_read_is_made_again() {
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    scene.vault.revoke_tokens();
    scene.vault.put("kv", "notes/client", &[("client_secret", "underland")]);
    scene.later();
    assert_eq!(scene.read().await, said("underland"));
    assert_eq!(scene.asked(), [2, 0, 3]);
}

#[tokio::test]
async fn what_vault_is_logged_in_to_with_is_on_this_machine() {
    let nested = |settings: &mut VaultSettings| {
        let place = VaultRef::new("kv", "notes/client", "client_secret").unwrap();
        settings.auth = VaultAuth::Token(SecretRef::Vault(place));
    };
    let scene = Scene::with(|vault| vault, nested).await;
    assert!(matches!(scene.read().await, Err(SecretError::NotLocal(_))));
}

#[tokio::test]
async fn a_certificate_authority_that_cannot_be_used_is_told_by_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for content in [None, Some("no certificate")] {
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        let settings = VaultSettings {
            address: "https://127.0.0.1:1".parse().unwrap(),
            namespace: None,
            auth: VaultAuth::Token(SecretRef::Env("SECRET_ID".into())),
            ca_certificate: Some(file.clone()),
            refresh: Duration::from_secs(30),
        };
        let secrets = secrets(settings, std::sync::Arc::new(SystemClock::new()));
        let error = secrets.read(&crate::scene::at("kv", "a", "b")).await.unwrap_err();
        assert!(error.to_string().contains("secrets.vault.caCertificate"), "{error}");
    }
}
