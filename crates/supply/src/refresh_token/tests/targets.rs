//! One login for several targets: they share all that must not be lost, and nothing that was got for one of them.

use bearward_observe::Observer;

use super::*;
use crate::tests::server::value;
use crate::{Exchange, Handle, Label, TokenManager, Upkeep, Wanted};

const INVALID: [&str; 4] = ["invalid_target", "invalid_scope", "invalid_request", "access_denied"];

impl Scene {
    fn manager(&self) -> TokenManager {
        TokenManager::new(self.clock.clone(), Observer::new(), 1)
    }
}

fn handle(manager: &TokenManager, grant: &RefreshTokenGrant) -> Handle {
    let label = Label::new("brokered", &Observer::new());
    manager.on_use(&label, &grant.key(), || Arc::new(grant.clone()))
}

async fn text(handle: &Handle) -> Result<String, Arc<Failure>> {
    let supplied = handle.ensure_access(&Wanted::default()).await;
    supplied.map(|supplied| supplied.token().expose().to_owned()).map_err(|error| error.failure)
}

fn asks(handle: &Handle) -> tokio::task::JoinHandle<Result<String, Arc<Failure>>> {
    let handle = handle.clone();
    tokio::spawn(async move { text(&handle).await })
}

// HARD 3
#[tokio::test]
async fn each_target_is_asked_for_as_it_stands_and_the_login_goes_on_for_all() {
    let scene = Scene::new();
    let calendar = scene.grant.asking(Target {
        audience: Some("calendars".into()),
        resource: Some("https://calendar.example".into()),
        scopes: "read write".parse().unwrap(),
        extra: vec![("organization".into(), "org_1".into())],
    });
    assert_eq!(scene.token().await, Ok("access-1".into()));
    assert_eq!(token(&calendar).await, Ok("access-2@https://calendar.example".into()));
    assert_eq!(scene.token().await, Ok("access-3".into()));
    {
        let shown = scene.server.shown.lock().unwrap();
        let [own, other, again] = [0, 1, 2].map(|nth| &shown[nth].1);
        for (name, sent) in
            [("audience", "calendars"), ("resource", "https://calendar.example"), ("scope", "read write")]
        {
            let asked = [own, other, again].map(|form| value(form, name));
            assert_eq!(asked, [None, Some(sent.into()), None], "{name}");
        }
        assert_eq!(other.extra, [("organization".into(), "org_1".into())]);
        assert!(own.extra.is_empty() && again.extra.is_empty());
        let who = |form| ["client_id", "client_secret"].map(|name| value(form, name));
        assert_eq!(who(own), who(other));
    }
    assert_eq!(token(&scene.again().asking("mail")).await, Ok("access-4@mail".into()), "another process");
    for nth in 0..4 {
        assert_eq!(scene.server.count(&format!("spend refresh-{nth}")), 1);
    }
}

// HARD 3, HARD 4
#[tokio::test]
async fn targets_differ_in_their_keys_by_every_part_and_share_one_login() {
    let scene = Scene::new();
    let resource = Target { resource: Some("a".into()), ..Target::default() };
    let targets = [
        scene.grant.asked.target.clone(),
        resource.clone(),
        Target { resource: Some("b".into()), ..Target::default() },
        Target { audience: Some("a".into()), ..Target::default() },
        Target { scopes: "a".parse().unwrap(), ..resource.clone() },
        Target { extra: vec![("a".into(), "b".into())], ..resource.clone() },
    ];
    let keys = targets.clone().map(|target| scene.grant.asking(target).key());
    for (nth, key) in keys.iter().enumerate() {
        assert!(!keys[..nth].contains(key), "{nth}");
        assert_eq!(key.parts().subject_token, keys[0].parts().subject_token);
    }
    assert_eq!(keys[0], scene.grant.key(), "asked for its own, it is the same");
    let of_sibling = scene.asking("mail").asking(resource);
    assert_eq!(of_sibling.key(), keys[1], "whichever of the login's is asked");
}

// HARD 3, HARD 12
#[tokio::test]
async fn targets_that_are_asked_for_at_once_take_turns_and_never_swap_tokens() {
    let scene = Scene::new();
    scene.server.hold();
    let names = ["calendar", "contacts", "mail", "notes", "tasks"];
    let callers = names.map(|name| (name, caller(&scene.asking(name))));
    settle().await;
    assert_eq!(scene.server.count("spend"), 1, "one request at a time");
    scene.server.let_go();
    for (nth, (name, caller)) in callers.into_iter().enumerate() {
        assert_eq!(caller.await.unwrap(), Ok(format!("access-{}@{name}", nth + 1)));
        assert_eq!(scene.server.count(&format!("spend refresh-{nth}")), 1);
    }
}

// HARD 3, HARD 13
#[tokio::test]
async fn what_nobody_took_waits_for_who_asks_for_the_same_and_goes_to_nobody_else() {
    let scene = Scene::new();
    let (calendar, mail) = (scene.asking("calendar"), scene.asking("mail"));
    scene.server.hold();
    let gone = caller(&calendar);
    settle().await;
    gone.abort();
    scene.server.let_go();
    settle().await;
    assert_eq!(token(&mail).await, Ok("access-2@mail".into()));
    assert_eq!(scene.token().await, Ok("access-3".into()));
    assert_eq!(token(&calendar).await, Ok("access-1@calendar".into()));
    assert_eq!(scene.server.count("spend"), 3, "and it is not asked for anew");
    assert_eq!(token(&calendar).await, Ok("access-4@calendar".into()), "it is handed out once");
}

// HARD 3, HARD 13
#[tokio::test]
async fn while_one_targets_answer_cannot_be_written_nothing_is_spent_for_another_and_each_gets_its_own() {
    let scene = Scene::new();
    let (calendar, mail) = (scene.asking("calendar"), scene.asking("mail"));
    scene.token().await.unwrap();
    scene.server.hold();
    let asks = caller(&calendar);
    settle().await;
    scene.store.fail(true);
    scene.server.let_go();
    assert_eq!(asks.await.unwrap().unwrap_err().outcome(), "store");
    for grant in [&mail, &scene.grant, &mail, &calendar] {
        assert_eq!(token(grant).await.unwrap_err().outcome(), "store");
    }
    assert_eq!(scene.server.count("spend"), 2);
    scene.store.fail(false);
    scene.log();
    assert_eq!(token(&mail).await, Ok("access-3@mail".into()));
    // What had come for the calendar was durable before anything else was spent.
    assert_eq!(scene.log(), ["write refresh-2", "spend refresh-2@mail", "write refresh-3"]);
    assert_eq!(token(&calendar).await, Ok("access-2@calendar".into()));
    assert_eq!(scene.server.count("spend"), 0);
}

// HARD 14
#[tokio::test]
async fn whichever_target_is_logged_out_the_login_ends_for_all_and_what_nobody_took_is_revoked() {
    let scene = Scene::new();
    let (calendar, mail) = (scene.asking("calendar"), scene.asking("mail"));
    for grant in [&calendar, &mail] {
        scene.server.hold();
        let gone = caller(grant);
        settle().await;
        gone.abort();
        scene.server.let_go();
        settle().await;
    }
    assert_eq!(calendar.end(Some(&AccessToken::new("in use"))).await, Ok(Revoked::Done));
    let log = scene.log();
    for token in [
        "refresh_token refresh-2",
        "access_token in use",
        "access_token access-1@calendar",
        "access_token access-2@mail",
    ] {
        assert!(log.contains(&format!("revoke {token}")), "{token}: {log:?}");
    }
    for grant in [&scene.grant, &calendar, &mail] {
        assert!(is_ended(&token(grant).await));
    }
    assert!(is_ended(&token(&scene.again().asking("mail")).await), "after a restart, too");
    assert_eq!((scene.server.count("spend"), scene.stored().await), (0, None));
}

// HARD 14
#[tokio::test]
async fn what_a_refresh_for_one_target_brings_during_the_logout_of_another_is_revoked() {
    let scene = Scene::new();
    let (calendar, mail) = (scene.asking("calendar"), scene.asking("mail"));
    scene.token().await.unwrap();
    scene.server.hold();
    let asks = caller(&calendar);
    settle().await;
    let leaving = tokio::spawn(async move { mail.end(None).await });
    settle().await;
    scene.store.fail(true);
    scene.server.let_go();
    assert_eq!(asks.await.unwrap().unwrap_err().outcome(), "store");
    assert!(leaving.await.unwrap().is_err(), "it cannot be written either");
    scene.store.fail(false);
    assert_eq!(scene.asking("mail").end(None).await, Ok(Revoked::Done));
    let log = scene.log();
    for token in ["refresh_token refresh-2", "access_token access-2@calendar"] {
        assert!(log.contains(&format!("revoke {token}")), "{token}: {log:?}");
    }
    assert!(is_ended(&token(&calendar).await));
}

// HARD 12
#[tokio::test]
async fn a_login_whose_token_is_refused_is_dead_for_every_target_and_the_token_is_shown_once() {
    let scene = Scene::new();
    scene.token().await.unwrap();
    scene.server.takes("none");
    scene.store.fail(true);
    for grant in [scene.asking("calendar"), scene.asking("mail"), scene.grant.clone()] {
        assert!(is_ended(&token(&grant).await));
    }
    scene.store.fail(false);
    assert!(is_ended(&token(&scene.asking("notes")).await));
    assert_eq!(scene.server.count("spend refresh-1"), 1);
    assert_eq!(scene.stored().await, None);
}

#[tokio::test]
async fn what_is_refused_of_one_target_is_no_harm_to_the_login_nor_to_another() {
    let scene = Scene::new();
    let (calendar, mail) = (scene.asking("calendar"), scene.asking("mail"));
    scene.token().await.unwrap();
    for (nth, code) in INVALID.iter().enumerate() {
        scene.server.answers(400, &format!(r#"{{"error":"{code}"}}"#));
        let refused = token(&calendar).await;
        assert!(matches!(&refused, Err(Failure::Refused { code: told, .. }) if told == code), "{refused:?}");
        assert_eq!(scene.stored().await, Some(format!("refresh-{}", nth + 1)), "{code}");
        assert_eq!(token(&mail).await, Ok(format!("access-{}@mail", nth + 2)), "{code}");
    }
    assert_eq!(scene.server.count("revoke"), 0);
    assert_eq!(token(&calendar).await, Ok("access-6@calendar".into()), "once it may have it");
}

// HARD 3: the ID token that an entry has is carried over to answers without one, but not to another person's login.
#[tokio::test]
async fn the_first_token_of_a_new_login_is_known_as_such_for_every_target() {
    let scene = Scene::new();
    let calendar = scene.asking("calendar");
    let is_new = async |grant: &RefreshTokenGrant| grant.request().await.unwrap().is_new_login;
    for grant in [&scene.grant, &calendar] {
        assert_eq!((is_new(grant).await, is_new(grant).await), (true, false));
    }
    scene.give(Some("refresh-bobs"));
    scene.server.takes("refresh-bobs");
    // By now the login stands in the store: only the one that asks first begins it.
    for grant in [&scene.grant, &calendar] {
        assert_eq!((is_new(grant).await, is_new(grant).await), (true, false));
    }
}

// HARD 14
#[tokio::test]
async fn a_logout_by_one_handle_takes_what_the_others_of_the_login_keep_in_memory_and_in_the_store() {
    let scene = Scene::new();
    let manager = scene.manager();
    let (calendar, mail) = (scene.asking("calendar"), scene.asking("mail"));
    let own = handle(&manager, &scene.grant);
    let for_calendar = handle(&manager, &calendar);
    let shelf = Some(scene.inner.clone());
    let for_mail = manager.shelved("mail", &mail.key(), Arc::new(mail.clone()), Upkeep::OnUse, shelf.clone());
    for handle in [&own, &for_calendar, &for_mail] {
        text(handle).await.unwrap();
    }
    settle().await;
    assert_eq!(own.log_out().await, Ok(Revoked::Done));
    let log = scene.log();
    for token in [
        "refresh_token refresh-3",
        "access_token access-1",
        "access_token access-2@calendar",
        "access_token access-3@mail",
    ] {
        assert_eq!(
            log.iter().filter(|line| **line == format!("revoke {token}")).count(),
            1,
            "{token}: {log:?}"
        );
    }
    scene.clock.advance(Duration::from_secs(1));
    for handle in [&own, &for_calendar, &for_mail] {
        assert_eq!(handle.expires_in(), None);
        assert!(matches!(*text(handle).await.unwrap_err(), Failure::ReauthRequired { .. }));
    }
    // The next process finds no token of it either.
    let next = scene.manager();
    let mail =
        next.shelved("mail", &mail.key(), Arc::new(scene.again().asking("mail")), Upkeep::OnUse, shelf);
    assert!(matches!(*text(&mail).await.unwrap_err(), Failure::ReauthRequired { .. }));
    assert_eq!(scene.server.count("spend"), 0);
}

// HARD 14
#[tokio::test]
async fn a_refresh_for_one_target_that_is_under_way_at_a_logout_of_another_brings_nothing() {
    let scene = Scene::new();
    let manager = scene.manager();
    let own = handle(&manager, &scene.grant);
    let for_calendar = handle(&manager, &scene.asking("calendar"));
    text(&own).await.unwrap();
    scene.server.hold();
    let caller = asks(&for_calendar);
    settle().await;
    let leaving = tokio::spawn(async move { own.log_out().await });
    settle().await;
    scene.server.let_go();
    assert_eq!(leaving.await.unwrap(), Ok(Revoked::Done));
    settle().await;
    assert!(caller.await.unwrap().is_err());
    assert_eq!(for_calendar.expires_in(), None);
    let log = scene.log();
    for token in ["refresh_token refresh-2", "access_token access-2@calendar"] {
        assert!(log.contains(&format!("revoke {token}")), "{token}: {log:?}");
    }
    assert!(matches!(*text(&for_calendar).await.unwrap_err(), Failure::ReauthRequired { .. }));
}

/// What another server gives for the login's own token.
async fn exchanged(
    scene: &Scene,
    manager: &Arc<TokenManager>,
    elsewhere: &Arc<Server>,
    own: &Handle,
) -> Handle {
    let supplied = own.ensure_access(&Wanted::default()).await.unwrap();
    exchanged_for(scene, manager, elsewhere, supplied.token())
}

fn exchanged_for(
    scene: &Scene,
    manager: &Arc<TokenManager>,
    elsewhere: &Arc<Server>,
    token: &AccessToken,
) -> Handle {
    let exchange = exchange_at(elsewhere, manager, scene);
    let principal = crate::source::tests::principal("alice", serde_json::Value::Null);
    let handle = exchange.handle(&crate::Caller { principal: &principal, token });
    scene.grant.takes_along(&handle);
    handle
}

fn gives(elsewhere: &Server, token: &str) {
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    let body = serde_json::json!({
        "access_token": token, "token_type": "Bearer", "expires_in": 3600, "issued_token_type": kind,
    });
    elsewhere.answers(200, &body.to_string());
}

// HARD 14
#[tokio::test]
async fn what_a_login_takes_along_ends_with_it_and_is_revoked_where_it_came_from() {
    let (scene, elsewhere) = (Scene::new(), Server::new("none"));
    let manager = Arc::new(scene.manager());
    let own = handle(&manager, &scene.grant);
    let handle = exchanged(&scene, &manager, &elsewhere, &own).await;
    gives(&elsewhere, "exchanged");
    assert_eq!(text(&handle).await, Ok("exchanged".into()));
    own.log_out().await.unwrap();
    assert_eq!(handle.expires_in(), None);
    assert_eq!(elsewhere.log(), ["spend access-1", "revoke access_token exchanged"]);
}

// HARD 31
#[tokio::test]
async fn a_server_that_knows_no_resources_does_not_get_the_logins_own_token_to_another_target() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let scene = Scene::new();
    let mut request = scene.server.request(&scene.clock);
    request.resource = Some("https://own".into());
    let day = Duration::from_secs(24 * 3600);
    let own = RefreshTokenGrant::begun_here("session 1", Arc::new(request), scene.store.clone(), None, day);
    let granted = Granted::new(AccessToken::new("of the sign-in"), Duration::from_secs(3600));
    own.begin(Some(RefreshToken::new("refresh-0")), granted, Moment::now(&*scene.clock)).await.unwrap();
    let calendar = own.asking(Target { resource: Some("https://calendar".into()), ..Target::default() });
    for (aud, is_given) in [("https://own", false), ("https://calendar", true)] {
        let jwt = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(format!(r#"{{"aud":"{aud}"}}"#)));
        let body = format!(r#"{{"access_token":"{jwt}","token_type":"Bearer","expires_in":600}}"#);
        scene.server.answers(200, &body);
        assert_eq!(token(&calendar).await.is_ok(), is_given, "{aud}");
    }
    assert!(own.goes_on().await, "nobody is signed out by it");
}

// HARD 14
#[tokio::test]
async fn what_is_to_be_got_for_a_logins_token_after_its_logout_comes_too_late() {
    let (scene, elsewhere) = (Scene::new(), Server::new("none"));
    let manager = Arc::new(scene.manager());
    let own = handle(&manager, &scene.grant);
    let supplied = own.ensure_access(&Wanted::default()).await.unwrap();
    own.log_out().await.unwrap();
    // A request that had the token in hand, and had asked before whether there is a session.
    let late = exchanged_for(&scene, &manager, &elsewhere, supplied.token());
    gives(&elsewhere, "exchanged-1");
    assert_eq!(text(&late).await, Err(Arc::new(Failure::LoggedOut)));
    assert_eq!(elsewhere.log(), Vec::<String>::new(), "nobody is asked");
}

// HARD 14
#[tokio::test]
async fn a_logout_that_is_held_up_gives_out_nothing_meanwhile_nor_anything_that_was_got_for_the_login() {
    let (scene, elsewhere) = (Scene::new(), Server::new("none"));
    let manager = Arc::new(scene.manager());
    let (own, calendar) = (handle(&manager, &scene.grant), handle(&manager, &scene.asking("calendar")));
    let along = exchanged(&scene, &manager, &elsewhere, &own).await;
    gives(&elsewhere, "exchanged-1");
    text(&along).await.unwrap();
    text(&calendar).await.unwrap();
    scene.server.hold();
    let mail = caller(&scene.asking("mail"));
    settle().await;
    let leaving = tokio::spawn(async move { own.log_out().await });
    settle().await;
    assert!(!leaving.is_finished(), "a request is under way");
    assert_eq!((calendar.expires_in(), along.expires_in()), (None, None));
    // Another server would give one for the login's token still.
    gives(&elsewhere, "exchanged-2");
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(text(&along).await, Err(Arc::new(Failure::LoggedOut)));
    scene.server.let_go();
    assert_eq!(leaving.await.unwrap(), Ok(Revoked::Done));
    assert_eq!((calendar.expires_in(), along.expires_in()), (None, None));
    assert_eq!(elsewhere.count("revoke access_token exchanged-1"), 1);
    assert_eq!(text(&along).await, Err(Arc::new(Failure::LoggedOut)), "for good");
    drop(mail);
}

// HARD 16
#[tokio::test]
async fn to_stand_in_line_is_no_failure_of_the_authorization_server_and_who_stands_there_comes_to_their_turn()
{
    let scene = Scene::new();
    let manager = scene.manager();
    let own = handle(&manager, &scene.grant);
    text(&own).await.unwrap();
    scene.server.hold();
    let handles: Vec<_> = (0..10).map(|nth| handle(&manager, &scene.asking(&nth.to_string()))).collect();
    let callers: Vec<_> = handles.iter().map(asks).collect();
    settle().await;
    for _ in 0..4 * 10 {
        scene.clock.advance(Duration::from_millis(100));
        settle().await;
    }
    assert_eq!(scene.server.count("spend"), 2);
    let another = scene.asking("another");
    let waits = token(&another);
    let in_time = async {
        settle().await;
        scene.clock.advance(TURN);
    };
    assert_eq!(tokio::join!(waits, in_time).0, Err(Failure::InLine));
    scene.server.let_go();
    for _ in 0..100 {
        scene.clock.advance(Duration::from_millis(50));
        settle().await;
    }
    for (nth, caller) in callers.into_iter().enumerate() {
        let given = caller.await.unwrap().unwrap();
        assert!(given.ends_with(&format!("@{nth}")), "{given}");
    }
    assert_eq!((scene.server.count("spend"), own.is_left_alone()), (11, false));
}

fn jwt_for(audience: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(serde_json::json!({"aud": audience}).to_string()))
}

// HARD 16
#[tokio::test]
async fn a_server_that_does_not_know_of_resources_refuses_one_target_and_is_left_alone_for_nobody_else() {
    let scene = Scene::new();
    let mut request = scene.server.request(&scene.clock);
    request.resource = Some("https://own".into());
    let kept = Duration::from_secs(86_400);
    let store = scene.store.clone();
    let grant = RefreshTokenGrant::begun_here("session 1", Arc::new(request), store, None, kept);
    let granted = Granted::new(AccessToken::new(jwt_for("https://own")), Duration::from_secs(3600));
    let sent = Moment::now(&*scene.clock);
    grant.begin(Some(RefreshToken::new("refresh-0")), granted, sent).await.unwrap();
    let manager = scene.manager();
    let own = handle(&manager, &grant);
    text(&own).await.unwrap();
    for nth in 1..20 {
        let token = jwt_for("https://own");
        let answer = serde_json::json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": format!("refresh-{nth}")});
        scene.server.answers(200, &answer.to_string());
    }
    let target = Target { resource: Some("https://other".into()), ..Target::default() };
    let other = handle(&manager, &grant.asking(target));
    let error = other.ensure_access(&Wanted::default()).await.unwrap_err();
    assert!(error.to_string().contains("token_exchange"), "{error}");
    assert!(other.ensure_access(&Wanted::default()).await.is_err());
    assert_eq!(scene.server.count("spend"), 1, "it is not tried again at once");
    assert!(!own.is_left_alone());
}

fn exchange_at(server: &Arc<Server>, manager: &Arc<TokenManager>, scene: &Scene) -> Exchange {
    let request = Arc::new(server.request(&scene.clock));
    let revoker = Arc::new(Revoker::start(request.clone(), memory(&scene.clock)));
    let label = Label::new("exchanged", &Observer::new());
    Exchange::new(manager.clone(), label, request, None, Some(revoker))
}

// HARD 14
#[tokio::test]
async fn what_is_taken_along_after_the_logout_has_no_token_though_it_had_one() {
    let (scene, elsewhere) = (Scene::new(), Server::new("none"));
    let manager = Arc::new(scene.manager());
    let own = handle(&manager, &scene.grant);
    let supplied = own.ensure_access(&Wanted::default()).await.unwrap();
    let exchange = exchange_at(&elsewhere, &manager, &scene);
    let principal = crate::source::tests::principal("alice", serde_json::Value::Null);
    let caller = crate::Caller { principal: &principal, token: supplied.token() };
    // The same token, as a bearer token at the gateway.
    gives(&elsewhere, "exchanged");
    text(&exchange.handle(&caller)).await.unwrap();
    own.log_out().await.unwrap();
    // A session's request that came in before the logout.
    let late = exchange.handle(&caller);
    scene.grant.takes_along(&late);
    assert!(text(&late).await.is_err(), "a token after the logout");
    settle().await;
    assert_eq!(elsewhere.count("revoke access_token exchanged"), 1);
}

// HARD 14
#[tokio::test]
async fn a_logout_ends_what_was_taken_along_although_the_manager_has_forgotten_it() {
    let (scene, elsewhere) = (Scene::new(), Server::new("none"));
    let manager = Arc::new(scene.manager());
    let own = handle(&manager, &scene.grant);
    let supplied = own.ensure_access(&Wanted::default()).await.unwrap();
    let exchange = exchange_at(&elsewhere, &manager, &scene);
    let principal = crate::source::tests::principal("alice", serde_json::Value::Null);
    let caller = crate::Caller { principal: &principal, token: supplied.token() };
    gives(&elsewhere, "exchanged");
    let taken = exchange.handle(&caller);
    text(&taken).await.unwrap();
    scene.grant.takes_along(&taken);
    drop(taken);
    manager.forget(&exchange.key(&principal, supplied.token()));
    own.log_out().await.unwrap();
    assert_eq!(elsewhere.count("revoke access_token exchanged"), 1);
}
