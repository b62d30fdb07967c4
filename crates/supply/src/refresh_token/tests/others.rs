//! Other instances at the same store (HARD 12).

use super::*;

// HARD 12
#[tokio::test]
async fn when_another_instance_has_spent_it_its_next_one_is_used() {
    let (one, other) = {
        let one = Scene::new();
        let other = one.again();
        (one, other)
    };
    one.token().await.unwrap();
    other.token().await.unwrap();
    assert_eq!(other.token().await, Ok("access-3".into()));
    // The other one spends what this one has just read.
    one.server.answers(400, r#"{"error":"invalid_grant"}"#);
    one.server.hold();
    let caller = one.caller();
    settle().await;
    let place = &one.grant.inner.place;
    let record = one.inner.get(place).await.unwrap().unwrap();
    let next = Login::unpack(&record.secret).unwrap().next(RefreshToken::new("refresh-theirs"));
    one.inner.put(place, next.pack(), None, Expected::Version(record.version)).await.unwrap();
    one.server.takes("refresh-theirs");
    one.server.let_go();
    assert_eq!(caller.await.unwrap(), Ok("access-4".into()));
    assert_eq!(one.server.count("spend refresh-theirs"), 1);
}

// HARD 12
#[tokio::test]
async fn when_nobody_has_the_login_has_ended_and_that_is_written_down() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    scene.server.takes("none");
    assert!(is_ended(&scene.token().await));
    assert_eq!(scene.stored().await, None);
    let spent = scene.server.count("spend");
    assert!(is_ended(&scene.again().token().await));
    assert_eq!(scene.server.count("spend"), spent, "nor does another instance spend it in vain");
}

// HARD 12
#[tokio::test]
async fn an_instance_that_comes_second_leaves_the_record_of_the_first_and_its_login_alive() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    scene.server.hold();
    let caller = scene.caller();
    settle().await;
    // A server that takes a token twice within a moment; the other one has written first.
    let place = &scene.grant.inner.place;
    let record = scene.inner.get(place).await.unwrap().unwrap();
    let theirs = Login::unpack(&record.secret).unwrap().next(RefreshToken::new("refresh-theirs"));
    scene.inner.put(place, theirs.pack(), None, Expected::Version(record.version)).await.unwrap();
    scene.server.let_go();
    assert_eq!(caller.await.unwrap(), Ok("access-2".into()), "an access token of the same login");
    assert_eq!(scene.stored().await, Some("refresh-theirs".into()));
    assert_eq!(scene.server.count("revoke"), 0, "which would end the other one's login too");
}

// HARD 12, HARD 14
#[tokio::test]
async fn what_came_for_a_login_that_another_has_replaced_is_not_used() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    scene.server.hold();
    let caller = scene.caller();
    settle().await;
    let new = Login::new(RefreshToken::new("refresh-bobs"), Fingerprint::of("refresh-bobs"));
    scene.inner.put(&scene.grant.inner.place, new.pack(), None, Expected::NewLogin).await.unwrap();
    scene.server.let_go();
    assert_eq!(caller.await.unwrap(), Err(Failure::LoggedOut));
    assert_eq!(scene.stored().await, Some("refresh-bobs".into()));
}

// HARD 19
#[tokio::test]
async fn a_record_that_nobody_can_read_any_more_gives_way_to_a_token_that_is_given() {
    use bearward_store::{SealedFiles, SealingKeys};
    use bearward_token::SealingKey;

    let (folder, clock) =
        (tempfile::tempdir().unwrap(), Arc::new(ManualClock::at_unix_ms(1_800_000_000_000)));
    let keys = |text: &str| SealingKeys::parse([&SealingKey::new(text)]).unwrap();
    let (key, other_key) = ("00".repeat(32), "11".repeat(32));
    let files = Arc::new(SealedFiles::open(folder.path(), keys(&key), clock.clone()).await.unwrap());
    let records = files.folder().to_owned();
    let server = Server::new("refresh-0");
    let scene = Scene::of(clock.clone(), server.clone(), files);
    scene.token().await.unwrap();
    drop(scene);

    let files = SealedFiles::open(folder.path(), keys(&other_key), clock.clone()).await.unwrap();
    let scene = Scene::of(clock.clone(), server.clone(), Arc::new(files));
    let failure = scene.token().await.unwrap_err();
    assert_eq!(
        (failure.outcome(), failure.is_passing()),
        ("store", false),
        "who adds the key has the login again"
    );
    assert_eq!(server.count("spend"), 1);
    drop(scene);

    let files = Arc::new(SealedFiles::open(folder.path(), keys(&key), clock.clone()).await.unwrap());
    let record = std::fs::read_dir(&records).unwrap().map(|entry| entry.unwrap().path());
    let record = record.into_iter().find(|path| !path.ends_with("lock")).unwrap();
    std::fs::write(&record, &std::fs::read(&record).unwrap()[..80]).unwrap();
    let scene = Scene::of(clock, server.clone(), files);
    scene.give(Some("refresh-again"));
    server.takes("refresh-again");
    assert_eq!(scene.token().await, Ok("access-2".into()));
}
