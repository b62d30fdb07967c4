//! One request for all who wait.

use super::scene::*;

// HARD 1
#[tokio::test]
async fn a_thousand_cold_callers_cost_one_request_and_all_get_its_token() {
    let scene = Arc::new(Scene::new());
    let hold = Arc::new(Notify::new());
    *scene.script.hold.lock().unwrap() = Some(hold.clone());
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            tokio::spawn({
                let scene = scene.clone();
                async move { scene.token().await }
            })
        })
        .collect();
    settle().await;
    hold.notify_one();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "token-1");
    }
    assert_eq!(scene.script.asked(), 1);
}

// HARD 2
#[tokio::test]
async fn a_caller_that_goes_away_neither_ends_nor_restarts_the_flight() {
    let scene = Arc::new(Scene::new());
    let hold = Arc::new(Notify::new());
    *scene.script.hold.lock().unwrap() = Some(hold.clone());
    let caller = |scene: &Arc<Scene>| {
        tokio::spawn({
            let scene = scene.clone();
            async move { scene.token().await }
        })
    };
    let first = caller(&scene);
    settle().await;
    let second = caller(&scene);
    settle().await;
    first.abort();
    settle().await;
    hold.notify_one();
    assert_eq!(second.await.unwrap(), "token-1");
    assert_eq!(scene.script.asked(), 1);
}

// HARD 2
#[tokio::test]
async fn each_caller_waits_no_longer_than_its_own_deadline() {
    let scene = Arc::new(Scene::new());
    let hold = Arc::new(Notify::new());
    *scene.script.hold.lock().unwrap() = Some(hold.clone());
    let hasty = tokio::spawn({
        let handle = scene.handle.clone();
        async move { handle.ensure_access(&Wanted { patience: S, ..Wanted::default() }).await }
    });
    let patient = tokio::spawn({
        let scene = scene.clone();
        async move { scene.token().await }
    });
    settle().await;
    scene.clock.advance(S);
    let error = hasty.await.unwrap().unwrap_err();
    assert_eq!(*error.failure, Failure::Deadline { waited: S });
    hold.notify_one();
    assert_eq!(patient.await.unwrap(), "token-1");
}

// HARD 3
#[tokio::test]
async fn two_resources_asked_for_at_once_never_swap_tokens() {
    let scene = Scene::new();
    let other_script = Arc::new(Script::default());
    other_script.then(Ok(("other", LIFE)));
    let other = scene.manager.handle("other", &key("other"), other_script);
    let wanted = Wanted::default();
    let (a, b) = tokio::join!(scene.token(), other.ensure_access(&wanted));
    assert_eq!((a.as_str(), b.unwrap().token().expose()), ("token-1", "other"));
    let same = scene.manager.handle("again", &key("notes"), Arc::new(Script::default()));
    assert_eq!(same.ensure_access(&wanted).await.unwrap().token().expose(), "token-1", "equal keys share");
}

// HARD 7
#[tokio::test]
async fn a_grant_that_panics_is_a_failure_and_not_the_end_of_refreshing() {
    #[derive(Debug, Default)]
    struct Faulty(AtomicU64);
    impl Grant for Faulty {
        fn request(&self) -> Requesting<'_> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => panic!("nobody foresaw this"),
                1 => Box::pin(async { panic!("nor this") }),
                _ => Box::pin(async { Ok(Granted::new(AccessToken::new("token"), LIFE)) }),
            }
        }
        fn credential_version(&self) -> Option<Fingerprint> {
            None
        }
    }
    let scene = Scene::new();
    let handle = scene.manager.handle("faulty", &key("faulty"), Arc::new(Faulty::default()));
    for _ in 0..2 {
        let error = handle.ensure_access(&Wanted::default()).await.unwrap_err();
        assert_eq!((error.failure.outcome(), error.retry_after), ("fault", Some(REFUSED_PAUSE)));
        scene.pass(REFUSED_PAUSE).await;
    }
    assert_eq!(handle.ensure_access(&Wanted::default()).await.unwrap().token().expose(), "token");
}

// HARD 7
#[tokio::test]
async fn what_panics_beside_the_request_is_a_failure_too_and_leaves_nobody_waiting() {
    #[derive(Debug, Default)]
    struct Faulty(AtomicU64);
    impl Grant for Faulty {
        fn request(&self) -> Requesting<'_> {
            Box::pin(async { Ok(Granted::new(AccessToken::new("token"), LIFE)) })
        }
        fn credential_version(&self) -> Option<Fingerprint> {
            assert_ne!(self.0.fetch_add(1, Ordering::SeqCst), 0, "nobody foresaw this");
            None
        }
    }
    let scene = Scene::new();
    let handle = scene.manager.handle("faulty", &key("faulty"), Arc::new(Faulty::default()));
    let error = handle.ensure_access(&Wanted::default()).await.unwrap_err();
    assert_eq!(error.failure.outcome(), "fault");
    scene.pass(REFUSED_PAUSE).await;
    assert_eq!(handle.ensure_access(&Wanted::default()).await.unwrap().token().expose(), "token");
}
