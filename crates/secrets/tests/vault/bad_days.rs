//! A Vault that is sealed, gone, elsewhere, or says odd things.

use std::time::Duration;

use bearward_secrets::{SecretError, Store};
use bearward_testbed::vault::{Fault, Place};

use crate::scene::{Scene, at, said};

#[tokio::test]
async fn a_sealed_vault_is_an_error_only_while_nothing_is_known() {
    let scene = Scene::new().await;
    scene.vault.seal(true);
    assert_eq!(scene.read().await, Err(SecretError::Sealed));
    let reference = at("kv", "notes/client", "client_secret");
    assert_eq!(scene.secrets.known(&reference), Err(SecretError::Sealed));
    scene.vault.seal(false);
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.read().await, said("wonderland"));
    scene.vault.seal(true);
    scene.vault.put("kv", "notes/client", &[("client_secret", "underland")]);
    for _ in 0..5 {
        scene.later();
        assert_eq!(scene.read().await, said("wonderland"));
    }
    scene.vault.seal(false);
    scene.later();
    assert_eq!(scene.read().await, said("underland"));
}

#[tokio::test]
async fn what_was_deleted_or_forbidden_meanwhile_leaves_the_last_known_value() {
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    scene.vault.delete("kv", "notes/client");
    scene.later();
    assert_eq!(scene.read().await, said("wonderland"));
}

#[tokio::test]
async fn each_odd_answer_is_told_for_what_it_is() {
    let mut all = Vec::new();
    for (place, fault) in [
        (Place::Read, Fault::Status(500)),
        (Place::Read, Fault::Status(429)),
        (Place::Login, Fault::Status(429)),
        (Place::Read, Fault::Redirect("https://elsewhere.example/v1/kv/data/notes/client".into())),
        (Place::Read, Fault::Body("<html>maintenance</html>".into())),
        (Place::Read, Fault::Body(r#"{"data": {"client_secret": "wonderland"}}"#.into())),
        (Place::Read, Fault::Body("x".repeat(256 * 1024 + 1))),
        (Place::Login, Fault::Body(r#"{"auth": null}"#.into())),
    ] {
        let scene = Scene::new().await;
        scene.vault.fault(place, fault.clone());
        let error = scene.read().await.unwrap_err();
        assert!(matches!(error, SecretError::BadAnswer { store: Store::Vault, .. }), "{fault:?}: {error:?}");
        all.push(error.to_string());
        scene.vault.mend();
        scene.clock.advance(Duration::from_secs(1));
        assert_eq!(scene.read().await, said("wonderland"), "after {error}");
    }
    insta::assert_snapshot!(all.join("\n"));
}

#[tokio::test]
async fn a_vault_that_is_gone_is_unreachable_and_its_secret_is_still_known() {
    let Scene { vault, clock, secrets } = Scene::new().await;
    let reference = at("kv", "notes/client", "client_secret");
    vault.fault(Place::Login, Fault::Reset);
    let error = secrets.read(&reference).await.unwrap_err();
    assert!(matches!(error, SecretError::Unreachable { .. }), "{error:?}");
    vault.mend();
    clock.advance(Duration::from_secs(1));
    assert!(secrets.read(&reference).await.is_ok());
    vault.stop().await;
    clock.advance(Duration::from_secs(60));
    assert_eq!(secrets.read(&reference).await.unwrap().expose(), "wonderland");
}

#[tokio::test]
async fn a_vault_that_is_silent_is_given_up_after_four_seconds_of_the_clock() {
    let scene = Scene::new().await;
    scene.vault.fault(Place::Login, Fault::Silence);
    let time_passes = async {
        while scene.vault.asked(Place::Login) == 0 {
            tokio::task::yield_now().await;
        }
        scene.clock.advance(Duration::from_secs(4));
    };
    let (read, ()) = tokio::join!(scene.read(), time_passes);
    assert_eq!(read, Err(SecretError::Timeout { store: Store::Vault, after: Duration::from_secs(4) }));
}
