//! A destination does not take our token.

use super::scene::*;

#[tokio::test]
async fn a_refused_token_is_replaced_once_however_many_complain() {
    let scene = Scene::new();
    let wanted = Wanted::default();
    let first = scene.handle.ensure_access(&wanted).await.unwrap();
    let complaints = (0..100).map(|_| scene.handle.instead_of(&first, &wanted));
    for other in futures_util::future::join_all(complaints).await {
        assert_eq!(other.unwrap().unwrap().token().expose(), "token-2");
    }
    assert_eq!(scene.script.asked(), 2);

    let second = scene.handle.ensure_access(&wanted).await.unwrap();
    for _ in 0..100 {
        assert!(scene.handle.instead_of(&second, &wanted).await.unwrap().is_none(), "a lasting storm");
        assert_eq!(
            scene.handle.instead_of(&first, &wanted).await.unwrap().unwrap().token().expose(),
            "token-2"
        );
    }
    assert_eq!(scene.script.asked(), 2, "a stale complaint and a storm cost nothing");

    scene.pass(FORCE_COOLDOWN).await;
    assert!(scene.handle.instead_of(&second, &wanted).await.unwrap().is_some());
    assert_eq!(scene.script.asked(), 3, "one more after the cooldown");
}

#[tokio::test]
async fn a_forced_refresh_that_fails_or_brings_the_same_token_ends_in_no_other_token() {
    let scene = Scene::new();
    let wanted = Wanted::default();
    scene.script.then(Ok(("same", LIFE)));
    scene.script.then(Ok(("same", LIFE)));
    let first = scene.handle.ensure_access(&wanted).await.unwrap();
    assert!(scene.handle.instead_of(&first, &wanted).await.unwrap().is_none());

    scene.pass(FORCE_COOLDOWN).await;
    scene.script.fail_always(Some(down()));
    assert!(scene.handle.instead_of(&first, &wanted).await.is_err());
    assert_eq!(scene.token().await, "same", "kept, for the refusal may be the destination's own fault");
}

#[tokio::test]
async fn who_asks_for_another_token_where_the_refused_one_was_dropped_gets_one() {
    let scene = Scene::new();
    let refused = scene.handle.ensure_access(&Wanted::default()).await.unwrap();
    assert!(scene.handle.invalidate(&refused));
    let other = scene.handle.instead_of(&refused, &Wanted::default()).await.unwrap();
    assert_eq!(other.unwrap().token().expose(), "token-2");
}
