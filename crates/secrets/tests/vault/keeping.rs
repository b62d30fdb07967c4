//! What goes on while nobody reads.

use std::time::Duration;

use bearward_secrets::VaultSettings;
use bearward_testbed::vault::{Fault, Place};

use crate::scene::{LEASE, NOTES, REFRESH, Scene, at, said};

/// What happens in a task that is not waited for happens soon, and it goes on to its pause then.
async fn until(what: impl Fn() -> bool) {
    const PASSES: u32 = 20;
    let happens = async {
        let mut passes = 0;
        while passes < PASSES {
            passes = if what() { passes + 1 } else { 0 };
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), happens).await.expect("it happens");
}

/// So long that nothing is read for its age.
fn rarely(settings: &mut VaultSettings) {
    settings.refresh = LEASE * 100;
}

impl Scene {
    /// Whoever keeps the secrets pauses, and no flight is under way.
    fn is_idle(&self) -> bool {
        self.clock.sleepers() == 1
    }

    fn known(&self) -> String {
        let secret = self.secrets.known(&at("kv", "notes/client", "client_secret")).unwrap();
        secret.expose().to_owned()
    }

    /// Nobody may log in any more, as with a secret id that may be used once.
    fn uses_up_the_secret_id(&self) {
        self.vault.approle("notes-gateway", "another-id", &[NOTES]);
    }
}

#[tokio::test]
async fn a_token_lives_through_an_idle_day_and_a_rotation_is_noticed_then() {
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    scene.uses_up_the_secret_id();
    let _keeping = scene.secrets.keep();
    let (renewals, reads) = (|| scene.vault.asked(Place::Renewal), || scene.vault.asked(Place::Read));
    for nth in 1..=30 {
        let before = reads();
        scene.clock.advance(LEASE * 3 / 4);
        until(|| renewals() == nth && reads() > before && scene.is_idle()).await;
    }
    scene.vault.put("kv", "notes/client", &[("client_secret", "underland")]);
    scene.clock.advance(REFRESH);
    until(|| scene.known() == "underland").await;
    assert_eq!(scene.vault.asked(Place::Login), 1);
}

#[tokio::test]
async fn a_token_is_renewed_in_time_also_where_secrets_are_looked_at_rarely() {
    let scene = Scene::with(|vault| vault, rarely).await;
    assert_eq!(scene.read().await, said("wonderland"));
    scene.uses_up_the_secret_id();
    let _keeping = scene.secrets.keep();
    scene.clock.advance(LEASE * 2 / 3 + Duration::from_millis(1));
    until(|| scene.vault.asked(Place::Renewal) == 1 && scene.is_idle()).await;
    // Nobody is there for a while; it is tried again while the token lasts.
    scene.vault.fault(Place::Renewal, Fault::Status(500));
    scene.clock.advance(LEASE * 3 / 4);
    until(|| scene.vault.asked(Place::Renewal) == 2 && scene.is_idle()).await;
    scene.vault.mend();
    scene.clock.advance(Duration::from_secs(10));
    until(|| scene.vault.asked(Place::Renewal) == 3).await;
    assert_eq!(scene.asked(), [1, 3, 1]);
}

#[tokio::test]
async fn where_renewal_is_refused_a_new_login_is_made_though_nobody_reads() {
    let scene = Scene::with(|vault| vault, rarely).await;
    assert_eq!(scene.read().await, said("wonderland"));
    scene.vault.refuse_renewals();
    let _keeping = scene.secrets.keep();
    scene.clock.advance(LEASE * 3 / 4);
    until(|| scene.vault.asked(Place::Login) == 2).await;
    assert_eq!(scene.asked(), [2, 1, 1]);
}

#[tokio::test]
async fn a_token_that_may_not_live_longer_is_followed_by_another_though_nobody_reads() {
    let scene = Scene::with(|vault| vault.lease(LEASE, LEASE * 2), rarely).await;
    assert_eq!(scene.read().await, said("wonderland"));
    let _keeping = scene.secrets.keep();
    for renewals in [1, 2] {
        scene.clock.advance(LEASE * 3 / 4);
        until(|| scene.vault.asked(Place::Renewal) == renewals && scene.is_idle()).await;
    }
    scene.clock.advance(LEASE * 3 / 4);
    until(|| scene.vault.asked(Place::Login) == 2).await;
    assert_eq!((scene.asked(), scene.vault.living_tokens()), ([2, 2, 1], 1));
}

#[tokio::test]
async fn nothing_goes_on_once_the_keeping_is_dropped() {
    let scene = Scene::new().await;
    assert_eq!(scene.read().await, said("wonderland"));
    let keeping = scene.secrets.keep();
    until(|| scene.clock.sleepers() > 0).await;
    drop(keeping);
    until(|| scene.clock.sleepers() == 0).await;
    scene.clock.advance(LEASE);
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.asked(), [1, 0, 1]);
}
