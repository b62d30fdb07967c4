//! Logging out, also in the middle of a refresh (HARD 14).

use super::*;

fn access(text: &str) -> AccessToken {
    AccessToken::new(text)
}

// HARD 14
#[tokio::test]
async fn a_logout_revokes_what_there_is_forgets_it_and_asks_nobody_any_more() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    assert_eq!(scene.grant.end(Some(&access("access-1"))).await, Ok(Revoked::Done));
    assert_eq!(scene.stored().await, None);
    let log = scene.log();
    let revoked: Vec<_> = log.iter().filter(|line| line.starts_with("revoke")).collect();
    assert_eq!(revoked, ["revoke refresh_token refresh-1", "revoke access_token access-1"]);
    assert!(is_ended(&scene.token().await));
    assert!(
        is_ended(&scene.again().token().await),
        "after a restart too, with the token that was given then"
    );
    assert_eq!(scene.server.count("spend"), 0);
}

// HARD 14
#[tokio::test]
async fn a_new_refresh_token_begins_a_new_login_after_a_logout_too() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    scene.grant.end(None).await.unwrap();
    scene.give(Some("refresh-new"));
    scene.server.takes("refresh-new");
    assert_eq!(scene.token().await, Ok("access-2".into()));
    // What an older flight brought so late harms nobody but itself.
    scene.log();
    scene.grant.discard(&access("access-old")).await.unwrap();
    assert_eq!(scene.log(), ["revoke access_token access-old"]);
    assert_eq!(scene.token().await, Ok("access-3".into()));
}

// HARD 14
#[tokio::test]
async fn what_a_refresh_brings_during_a_logout_is_revoked_and_does_not_stay_in_the_store() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    scene.server.hold();
    let caller = scene.caller();
    settle().await;
    caller.abort();
    let leaving = tokio::spawn({
        let grant = scene.grant.clone();
        async move { grant.end(Some(&access("access-1"))).await }
    });
    settle().await;
    scene.server.let_go();
    assert_eq!(leaving.await.unwrap(), Ok(Revoked::Done));
    let log = scene.log();
    for token in ["refresh_token refresh-2", "access_token access-1", "access_token access-2"] {
        assert!(log.contains(&format!("revoke {token}")), "{token}: {log:?}");
    }
    assert_eq!(scene.stored().await, None);
    assert!(is_ended(&scene.token().await));
}

// HARD 14
#[tokio::test]
async fn what_could_not_be_written_yet_is_revoked_by_a_logout_too() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    scene.server.hold();
    let caller = scene.caller();
    settle().await;
    scene.store.fail(true);
    scene.server.let_go();
    assert!(caller.await.unwrap().is_err());
    assert!(scene.grant.end(None).await.is_err(), "nor can the logout be written");
    scene.store.fail(false);
    scene.grant.end(None).await.unwrap();
    let log = scene.log();
    for token in ["refresh_token refresh-2", "access_token access-2"] {
        assert!(log.contains(&format!("revoke {token}")), "{token}: {log:?}");
    }
}

// HARD 14
#[tokio::test]
async fn another_processs_logout_is_noticed_before_anything_is_used_and_what_came_is_revoked() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    scene.server.hold();
    let caller = scene.caller();
    settle().await;
    let standing = scene.grant.inner.login().await.unwrap();
    let left = standing.login.ended(LOGGED_OUT).pack();
    scene.inner.put(&scene.grant.inner.place, left, None, Expected::NewLogin).await.unwrap();
    scene.server.let_go();
    assert_eq!(caller.await.unwrap(), Err(Failure::LoggedOut));
    let log = scene.log();
    assert!(log.contains(&"revoke refresh_token refresh-2".into()), "{log:?}");
    assert_eq!(scene.stored().await, None);
}

// HARD 14
#[tokio::test]
async fn a_logout_succeeds_while_the_server_is_down() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    *scene.server.is_down.lock().unwrap() = true;
    assert_eq!(scene.grant.end(None).await, Ok(Revoked::Queued));
    assert!(is_ended(&scene.token().await));
}
