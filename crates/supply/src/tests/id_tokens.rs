//! The ID token that belongs to an access token.

use bearward_token::IdToken;

use super::scene::*;

const ID_LIFE: Duration = Duration::from_secs(600);

fn with_id(access: &str, id: &str, lifetime: Duration) -> Granted {
    let id_token = Some(GrantedId { token: IdToken::new(id), lifetime });
    Granted { id_token, ..Granted::new(AccessToken::new(access), LIFE) }
}

/// Both tokens, as text.
async fn both(scene: &Scene) -> Result<(String, String), Failure> {
    let supplied = scene.handle.ensure_access_and_id(&Wanted::default()).await;
    let supplied = supplied.map_err(|error| (*error.failure).clone())?;
    let id = supplied.id_token(&*scene.clock).unwrap();
    Ok((supplied.token().expose().to_owned(), id.expose().to_owned()))
}

fn pair(access: &str, id: &str) -> Result<(String, String), Failure> {
    Ok((access.into(), id.into()))
}

#[tokio::test]
async fn access_and_id_come_of_one_flight_whoever_asks_for_what() {
    let scene = Scene::new();
    scene.script.granted.lock().unwrap().push_back(with_id("a1", "i1", ID_LIFE));
    let (access, id, again) = tokio::join!(scene.token(), both(&scene), both(&scene));
    assert_eq!((access, id, again), ("a1".to_owned(), pair("a1", "i1"), pair("a1", "i1")));
    assert_eq!(scene.script.asked(), 1);
}

#[tokio::test]
async fn an_id_token_is_not_handed_out_when_it_would_die_on_its_way() {
    let scene = Scene::new();
    scene.script.granted.lock().unwrap().push_back(with_id("a1", "i1", ID_LIFE));
    scene.script.granted.lock().unwrap().push_back(with_id("a2", "i2", ID_LIFE));
    both(&scene).await.unwrap();
    scene.clock.advance(ID_LIFE - S * 31);
    assert_eq!(both(&scene).await, pair("a1", "i1"));
    let supplied = scene.handle.ensure_access(&Wanted::default()).await.unwrap();
    scene.clock.advance(S);
    assert!(supplied.id_token(&*scene.clock).is_none(), "nor by who holds it already");
    assert_eq!(scene.token().await, "a1", "for which the access token is good for longer");
    assert_eq!(both(&scene).await, pair("a2", "i2"));
}

// OpenID Connect Core §12.2
#[tokio::test]
async fn a_refresh_that_brings_no_id_token_leaves_the_old_one() {
    let scene = Scene::new();
    scene.script.granted.lock().unwrap().push_back(with_id("a1", "i1", LIFE * 5));
    scene.script.then(Ok(("a2", LIFE)));
    both(&scene).await.unwrap();
    scene.pass(LIFE - S * 200).await;
    assert_eq!(both(&scene).await, pair("a2", "i1"));
    assert_eq!(scene.script.asked(), 2);
}

// HARD 8
#[tokio::test]
async fn an_id_token_that_dies_long_before_the_access_token_costs_one_request_in_thirty_seconds() {
    let scene = Scene::new();
    for n in 0..20 {
        scene.script.granted.lock().unwrap().push_back(with_id(&format!("a{n}"), "i", S * 5));
    }
    let mut refused = 0;
    for _ in 0..300 {
        if let Err(failure) = both(&scene).await {
            assert_eq!(failure, Failure::NoIdToken);
            refused += 1;
        }
        scene.pass(S).await;
    }
    assert!((10..=11).contains(&scene.script.asked()), "{}", scene.script.asked());
    assert!(refused > 200, "{refused}");
}

#[tokio::test]
async fn a_server_that_gives_no_id_token_is_told_by_an_error_of_its_own_and_access_goes_on() {
    let scene = Scene::new();
    let error = scene.handle.ensure_access_and_id(&Wanted::default()).await.unwrap_err();
    assert_eq!((*error.failure).clone(), Failure::NoIdToken);
    assert_eq!(scene.token().await, "token-1");
    for _ in 0..50 {
        let error = scene.handle.ensure_access_and_id(&Wanted::default()).await.unwrap_err();
        assert_eq!((*error.failure).clone(), Failure::NoIdToken);
        assert!(error.retry_after.is_some_and(|pause| pause <= FORCE_COOLDOWN), "{error:?}");
        scene.clock.advance(Duration::from_millis(100));
    }
    assert_eq!(scene.script.asked(), 2, "one more, by force");
}

#[tokio::test]
async fn more_time_wanted_of_an_id_token_refreshes_ahead_and_lets_nobody_wait() {
    let scene = Scene::new();
    scene.script.granted.lock().unwrap().push_back(with_id("a1", "i1", ID_LIFE));
    both(&scene).await.unwrap();
    scene.clock.advance(S * 301);
    scene.script.hold();
    let wanted = Wanted { min_ttl_id: ID_LIFE, ..Wanted::default() };
    let supplied = scene.handle.ensure_access_and_id(&wanted).await.unwrap();
    assert_eq!(supplied.token().expose(), "a1");
    settle().await;
    assert_eq!(scene.script.asked(), 2);
}

// HARD 20
#[tokio::test]
async fn nothing_shows_an_id_token() {
    let scene = Scene::new();
    scene.script.granted.lock().unwrap().push_back(with_id("a1", "secret-id", ID_LIFE));
    let supplied = scene.handle.ensure_access_and_id(&Wanted::default()).await.unwrap();
    let shown = format!("{supplied:?} {:?} {:?}", scene.handle, with_id("a1", "secret-id", ID_LIFE));
    assert!(!shown.contains("secret-id"), "{shown}");
}

#[tokio::test]
async fn an_id_token_that_a_refresh_does_not_renew_costs_no_request_a_second() {
    let scene = Scene::new();
    let id = Some(GrantedId { token: IdToken::new("id-1"), lifetime: LIFE });
    let first = Granted { id_token: id, ..Granted::new(AccessToken::new("long"), LIFE * 8) };
    scene.script.granted.lock().unwrap().push_back(first);
    for _ in 0..100 {
        scene.script.then(Ok(("longer", LIFE * 8)));
    }
    let wanted = Wanted { min_ttl_id: S * 600, ..Wanted::default() };
    scene.handle.ensure_access_and_id(&wanted).await.unwrap();
    scene.clock.advance(LIFE - S * 500);
    for _ in 0..400 {
        scene.handle.ensure_access_and_id(&wanted).await.unwrap();
        scene.pass(S).await;
    }
    assert_eq!(scene.script.asked(), 2, "once, and that brought none");
}

#[tokio::test]
async fn a_new_login_does_not_take_over_the_id_token_of_the_one_before() {
    let scene = Scene::new();
    let id = Some(GrantedId { token: IdToken::new("of alice"), lifetime: LIFE * 8 });
    let alice = Granted { id_token: id, ..Granted::new(AccessToken::new("alice"), S * 60) };
    let bob = Granted { is_new_login: true, ..Granted::new(AccessToken::new("bob"), LIFE) };
    scene.script.granted.lock().unwrap().extend([alice, bob]);
    let first = scene.handle.ensure_access(&Wanted::default()).await.unwrap();
    assert_eq!(first.id_token(&*scene.clock).unwrap().expose(), "of alice");
    scene.pass(S * 60).await;
    let second = scene.handle.ensure_access(&Wanted::default()).await.unwrap();
    assert_eq!((second.token().expose(), second.id_token(&*scene.clock)), ("bob", None));
}
