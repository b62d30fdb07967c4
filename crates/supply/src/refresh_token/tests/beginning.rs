//! Logins that begin here.

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn here(scene: &Scene, name: &str) -> RefreshTokenGrant {
    let request = Arc::new(scene.server.request(&scene.clock));
    RefreshTokenGrant::begun_here(name, request, scene.store.clone(), None, DAY)
}

async fn begin(scene: &Scene, grant: &RefreshTokenGrant, token: &str) {
    let granted = Granted::new(AccessToken::new("of the sign-in"), Duration::from_secs(3600));
    grant.begin(Some(RefreshToken::new(token)), granted, Moment::now(&*scene.clock)).await.unwrap();
}

// HARD 13
#[tokio::test]
async fn the_token_of_the_sign_in_is_used_first_and_the_login_goes_on_with_the_next_also_after_a_restart() {
    let scene = Scene::new();
    let grant = here(&scene, "session 1");
    begin(&scene, &grant, "refresh-0").await;
    assert!(grant.goes_on().await);
    assert_eq!(token(&grant).await, Ok("of the sign-in".into()));
    assert_eq!(scene.server.count("spend"), 0);
    assert_eq!(token(&grant).await, Ok("access-1".into()));
    assert_eq!(token(&here(&scene, "session 1")).await, Ok("access-2".into()), "another process");
    assert_eq!(scene.server.count("spend refresh-0"), 1);
}

#[tokio::test]
async fn a_login_that_nobody_began_or_that_was_forgotten_asks_for_a_sign_in() {
    let scene = Scene::new();
    assert!(is_ended(&token(&here(&scene, "never begun")).await));
    let grant = here(&scene, "session 1");
    begin(&scene, &grant, "refresh-0").await;
    token(&grant).await.unwrap();
    scene.clock.advance(DAY);
    assert!(is_ended(&token(&grant).await), "not used for a day");
    assert_eq!(scene.server.count("spend"), 0);
}

// HARD 14
#[tokio::test]
async fn a_login_that_began_here_ends_with_its_logout() {
    let scene = Scene::new();
    let grant = here(&scene, "session 1");
    begin(&scene, &grant, "refresh-0").await;
    grant.end(None).await.unwrap();
    assert!(!grant.goes_on().await);
    assert!(is_ended(&token(&grant).await));
    assert!(is_ended(&token(&here(&scene, "session 1")).await));
    assert_eq!(scene.server.count("spend"), 0);
}

#[tokio::test]
async fn who_has_a_login_weakly_does_not_keep_it() {
    let scene = Scene::new();
    let grant = here(&scene, "session 1");
    let weak = grant.downgrade();
    assert_eq!(weak.upgrade().unwrap().key(), grant.key());
    drop(grant);
    assert!(weak.upgrade().is_none());
}

// HARD 12: a second login of the same session would spend its token twice.
#[tokio::test]
async fn a_login_that_is_only_asked_for_something_else_any_more_is_found_as_it_began() {
    let scene = Scene::new();
    let grant = here(&scene, "session 1");
    begin(&scene, &grant, "refresh-0").await;
    token(&grant).await.unwrap();
    let (key, weak) = (grant.key(), grant.downgrade());
    let calendar = grant.asking(Target { resource: Some("calendar".into()), ..Target::default() });
    drop(grant);
    scene.server.hold();
    let callers = [caller(&calendar), caller(&weak.upgrade().unwrap())];
    settle().await;
    assert_eq!(scene.server.count("spend"), 1, "one waits for the other");
    scene.server.let_go();
    let [for_calendar, own] = callers;
    assert_eq!(for_calendar.await.unwrap(), Ok("access-1@calendar".into()));
    assert_eq!(own.await.unwrap(), Ok("access-2".into()));
    assert_eq!(weak.upgrade().unwrap().key(), key);
    drop(calendar);
    assert!(weak.upgrade().is_none());
}

// HARD 14
#[tokio::test]
async fn a_login_without_a_refresh_token_is_revoked_by_its_logout_all_the_same() {
    let scene = Scene::new();
    let request = Arc::new(scene.server.request(&scene.clock));
    let revoker = Arc::new(Revoker::start(request.clone(), scene.store.clone()));
    let grant = RefreshTokenGrant::begun_here("session 1", request, scene.store.clone(), Some(revoker), DAY);
    let granted = Granted::new(AccessToken::new("of-the-sign-in"), Duration::from_secs(3600));
    grant.begin(None, granted, Moment::now(&*scene.clock)).await.unwrap();
    assert_eq!(grant.end(None).await, Ok(Revoked::Done), "before anybody had it");
    assert_eq!(scene.server.count("revoke access_token of-the-sign-in"), 1);
    let access = AccessToken::new("handed-out");
    assert_eq!(grant.end(Some(&access)).await, Ok(Revoked::Done), "and once somebody has");
    assert_eq!(scene.server.count("revoke access_token handed-out"), 1);
}

// OpenID Connect Core §12.2
#[tokio::test]
async fn a_refresh_that_is_answered_for_another_user_or_by_another_issuer_ends_the_login() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    for (iss, sub, is_fine) in [
        ("https://idp.example.com", "alice", true),
        ("https://idp.example.com", "mallory", false),
        ("https://idp.example.com.evil.example", "alice", false),
    ] {
        let scene = Scene::new();
        let iss = if is_fine || sub != "alice" {
            scene.server.request(&scene.clock).metadata.issuer().to_string()
        } else {
            iss.to_owned()
        };
        let grant = here(&scene, "session 1");
        grant.belongs_to("alice");
        begin(&scene, &grant, "refresh-0").await;
        token(&grant).await.unwrap();
        let claims = serde_json::json!({"iss": iss, "sub": sub, "exp": 1_800_003_600}).to_string();
        let id_token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let body = format!(
            r#"{{"access_token":"next","token_type":"Bearer","expires_in":600,"refresh_token":"refresh-1","id_token":"{id_token}"}}"#
        );
        scene.server.answers(200, &body);
        let given = token(&grant).await;
        assert_eq!(given.is_ok(), is_fine, "{sub} of {iss}: {given:?}");
        assert!(is_fine || is_ended(&token(&grant).await), "and it stays so");
    }
}
