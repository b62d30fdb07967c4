//! A clean end.

use std::time::Duration;

use bearward_secrets::{SecretError, SecretRef, Store, VaultAuth};
use bearward_testbed::vault::{Fault, Place};

use crate::scene::{NOTES, Scene, said};

#[tokio::test]
async fn a_token_that_was_logged_in_for_is_revoked_at_the_end() {
    let scene = Scene::new().await;
    scene.secrets.close().await;
    assert_eq!(scene.vault.asked(Place::Revocation), 0, "nobody had logged in");
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    assert_eq!(scene.vault.living_tokens(), 1);
    scene.secrets.close().await;
    scene.secrets.close().await;
    assert_eq!((scene.vault.living_tokens(), scene.vault.asked(Place::Revocation)), (0, 1));
}

#[tokio::test]
async fn nothing_logs_in_again_after_the_end_and_what_is_known_is_still_had() {
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    scene.secrets.close().await;
    scene.later();
    assert_eq!(scene.read().await, said("wonderland"));
    let other = scene.read_at("kv", "notes/client", "other").await;
    assert_eq!(other, Err(SecretError::Closed(Store::Vault)));
    assert_eq!((scene.asked(), scene.vault.living_tokens()), ([1, 0, 1], 0));
}

#[tokio::test]
async fn a_token_that_was_given_is_left_to_who_gave_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let token = SecretRef::File(file.path().into());
    let scene = Scene::with(|vault| vault, |settings| settings.auth = VaultAuth::Token(token)).await;
    std::fs::write(file.path(), scene.vault.token(&[NOTES])).unwrap();
    assert_eq!(scene.read().await, said("wonderland"));
    scene.secrets.close().await;
    assert_eq!((scene.vault.living_tokens(), scene.vault.asked(Place::Revocation)), (1, 0));
}

#[tokio::test]
async fn an_end_waits_two_seconds_for_a_silent_vault_and_fails_for_none() {
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    scene.vault.fault(Place::Revocation, Fault::Silence);
    let time_passes = async {
        while scene.vault.asked(Place::Revocation) == 0 {
            tokio::task::yield_now().await;
        }
        scene.clock.advance(Duration::from_secs(2));
    };
    tokio::join!(scene.secrets.close(), time_passes);
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    scene.vault.fault(Place::Revocation, Fault::Reset);
    scene.secrets.close().await;
    assert_eq!(scene.vault.asked(Place::Revocation), 1);
}
