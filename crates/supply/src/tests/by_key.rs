//! Tokens asked for by their keys, refused ones dropped, new ones told of, and a clean end.

use super::scene::*;

#[tokio::test]
async fn a_key_that_no_handle_was_made_for_is_an_error_of_its_own() {
    let (scene, wanted, unknown) = (Scene::new(), Wanted::default(), key("unknown"));
    let manager = &scene.manager;
    for error in [
        manager.ensure_access(&unknown, &wanted).await.unwrap_err(),
        manager.ensure_access_and_id(&unknown, &wanted).await.unwrap_err(),
        manager.log_out(&unknown).await.unwrap_err(),
        manager.changes(&unknown).unwrap_err(),
    ] {
        assert_eq!((*error.failure).clone(), Failure::UnknownKey);
    }
    assert!(!manager.invalidate(&unknown, &AccessToken::new("token-1")));
}

// HARD 3
#[tokio::test]
async fn equal_keys_share_token_and_flight_and_other_keys_do_not() {
    let (scene, wanted) = (Scene::new(), Wanted::default());
    let other = Arc::new(Script::default());
    other.then(Ok(("other", LIFE)));
    scene.manager.handle("other", &key("other"), other);
    let again = scene.manager.handle("again", &key("notes"), Arc::new(Script::default()));
    let (notes, others) = (key("notes"), key("other"));
    let (a, b, c, d) = tokio::join!(
        scene.manager.ensure_access(&notes, &wanted),
        scene.manager.ensure_access(&notes, &wanted),
        again.ensure_access(&wanted),
        scene.manager.ensure_access(&others, &wanted),
    );
    let texts = [a, b, c, d].map(|supplied| supplied.unwrap().token().expose().to_owned());
    assert_eq!(
        (texts, scene.script.asked()),
        (["token-1", "token-1", "token-1", "other"].map(Into::into), 1)
    );
}

// HARD 15
#[tokio::test]
async fn a_refused_token_is_dropped_while_it_is_the_current_one_and_no_other_is() {
    let (scene, notes) = (Scene::new(), key("notes"));
    assert_eq!(scene.token().await, "token-1");
    assert!(!scene.manager.invalidate(&notes, &AccessToken::new("token-0")), "an older one");
    assert_eq!(scene.token().await, "token-1");

    assert!(scene.manager.invalidate(&notes, &AccessToken::new("token-1")));
    assert_eq!(scene.token().await, "token-2");
    assert!(!scene.manager.invalidate(&notes, &AccessToken::new("token-1")), "a late complaint");
    assert_eq!((scene.token().await.as_str(), scene.script.asked()), ("token-2", 2));
}

// HARD 15
#[tokio::test]
async fn a_lasting_storm_of_complaints_drops_one_token_in_thirty_seconds() {
    let (scene, notes) = (Scene::new(), key("notes"));
    for second in 0..120_u64 {
        let current = scene.manager.ensure_access(&notes, &Wanted::default()).await.unwrap();
        for _ in 0..10 {
            scene.manager.invalidate(&notes, current.token());
        }
        assert!(scene.script.asked() <= 1 + second.div_ceil(FORCE_COOLDOWN.as_secs()), "after {second} s");
        scene.pass(S).await;
    }
    assert_eq!(scene.script.asked(), 5, "at the start, and after the complaints of 0, 30, 60 and 90 s");
}

#[tokio::test]
async fn changes_gives_each_new_token_once_and_ends_with_the_manager() {
    let scene = Scene::new();
    scene.token().await;
    let mut changes = scene.manager.changes(&key("notes")).unwrap();
    let told = tokio::spawn(async move {
        let mut told = Vec::new();
        while let Some(supplied) = changes.next().await {
            told.push(supplied.token().expose().to_owned());
        }
        told
    });
    settle().await;
    scene.script.then(Ok(("token-1", LIFE)));
    scene.script.then(Err(down()));
    scene.pass(LIFE * 3).await;
    scene.manager.shut_down().await;
    assert_eq!(told.await.unwrap(), ["token-4", "token-5"], "the same again and a failure are no news");
}

#[tokio::test]
async fn a_clean_end_waits_for_what_is_under_way_and_its_caller_gets_the_token() {
    let scene = Scene::new();
    scene.script.hold();
    let caller = scene.caller();
    settle().await;
    let manager = scene.manager.clone();
    let end = tokio::spawn(async move { manager.shut_down().await });
    settle().await;
    assert!(!end.is_finished());
    scene.script.let_go();
    assert_eq!(caller.await.unwrap().unwrap(), "token-1");
    end.await.unwrap();
}

#[tokio::test]
async fn a_clean_end_tries_nothing_again_and_tells_its_caller_why_there_is_no_token() {
    let scene = Scene::new();
    scene.script.fail_always(Some(down()));
    let caller = scene.caller();
    settle().await;
    let manager = scene.manager.clone();
    let end = tokio::spawn(async move { manager.shut_down().await });
    scene.pass(S).await;
    assert_eq!(*caller.await.unwrap().unwrap_err().failure, down());
    end.await.unwrap();
    assert_eq!(scene.script.asked(), 1);
}

/// Something that no flight waits for is at work for ever.
#[derive(Debug)]
struct AtWork;

impl Grant for AtWork {
    fn request(&self) -> Requesting<'_> {
        Box::pin(async { Ok(Granted::new(AccessToken::new("token"), LIFE)) })
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        None
    }

    fn landed(&self) -> crate::grant::Landing<'_> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_clean_end_takes_ten_seconds_at_most() {
    let scene = Scene::new();
    scene.manager.handle("at work", &key("at work"), Arc::new(AtWork));
    let manager = scene.manager.clone();
    let end = tokio::spawn(async move { manager.shut_down().await });
    settle().await;
    scene.pass(S * 9).await;
    assert!(!end.is_finished());
    scene.pass(S * 2).await;
    assert!(end.is_finished());
}

#[tokio::test]
async fn after_a_clean_end_nothing_is_begun_also_for_keys_that_are_new() {
    let scene = Scene::new();
    let handle = scene.handle.clone();
    scene.manager.shut_down().await;
    let label = crate::Label::new("late", &scene.observer);
    let late = scene.manager.handle("late", &key("late"), scene.script.clone());
    let own = scene.manager.on_use(&label, &key("own"), || scene.script.clone());
    for handle in [handle, late, own] {
        let error = handle.ensure_access(&Wanted::default()).await.unwrap_err();
        assert_eq!(*error.failure, Failure::Stopped);
    }
    assert_eq!(scene.script.asked(), 0);
}
