//! Signing in, and the tokens that come of it.

use bearward_broker::random::Secret;
use bearward_broker::{Completed, ProblemKind};
use bearward_supply::Wanted;
use bearward_testbed::authorization_server::{Fault, Place};

use crate::scene::scene;

#[tokio::test]
async fn a_user_signs_in_and_the_application_learns_who_they_are_and_gets_their_tokens() {
    let scene = scene().await;
    let completed = scene.complete(&scene.sign_in().await).await.unwrap();
    assert_eq!(
        (completed.session.subject.as_str(), completed.session.name.as_deref()),
        ("alice", Some("Alice"))
    );
    assert_eq!(completed.return_to.as_str(), "/notes?id=1");
    assert!(completed.refresh_token.is_some());
    assert!(completed.granted.access_token.expose().starts_with("ey"));
    let shown = format!("{completed:?} {:?}", scene.login);
    assert!(scene.issuer.counts().secrets().iter().all(|secret| !shown.contains(secret)), "{shown}");
}

// SPEC CL-4, CL-5
#[tokio::test]
async fn what_comes_back_forged_replayed_mixed_up_or_to_another_browser_signs_nobody_in() {
    let scene = scene().await;
    let query = scene.sign_in().await;
    let stranger = scene.login.complete(&query, &Secret::new().unwrap()).await.unwrap_err();
    assert_eq!(stranger.kind, ProblemKind::StateMismatch, "a login that somebody else began (login CSRF)");
    assert_eq!(scene.fails("code=abc").await, ProblemKind::StateMismatch);
    assert!(scene.complete(&query).await.is_ok());
    assert_eq!(scene.fails(&query).await, ProblemKind::StateMismatch, "replayed");
    let mixed_up = scene.sign_in().await.replace("iss=http", "iss=https");
    assert_eq!(scene.fails(&mixed_up).await, ProblemKind::IssuerMismatch);
    assert_eq!(
        scene.issuer.counts().snapshot().grant("authorization_code"),
        1,
        "no other code was shown to anybody"
    );
}

#[tokio::test]
async fn a_code_of_another_login_signs_nobody_in() {
    let scene = scene().await;
    let (one, other) = (scene.sign_in().await, scene.sign_in().await);
    let code = |query: &str| {
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        pairs.into_iter().find(|(name, _)| name == "code").unwrap().1
    };
    // The verifier does not fit, whoever injected the code.
    let injected = one.replace(&code(&one), &code(&other));
    assert_eq!(scene.fails(&injected).await, ProblemKind::StateExpired);
}

#[tokio::test]
async fn an_issuer_that_refuses_or_is_down_is_told_apart() {
    let scene = scene().await;
    let query = scene.sign_in().await;
    let refused = query.split('&').filter(|pair| !pair.starts_with("code=")).collect::<Vec<_>>().join("&");
    assert_eq!(scene.fails(&format!("{refused}&error=access_denied")).await, ProblemKind::LoginRefused);
    let query = scene.sign_in().await;
    let down = Fault::Status { status: 503, body: String::new(), retry_after: None };
    scene.issuer.faults().always(Place::Token, down);
    assert_eq!(scene.fails(&query).await, ProblemKind::IssuerUnavailable);
    scene.issuer.faults().clear();
    scene.issuer.stop().await;
}

// HARD 32
#[tokio::test]
async fn twenty_tabs_that_need_a_new_token_at_once_cost_one_refresh_and_sign_nobody_out() {
    let scene = scene().await;
    let (tokens, cookie) = (scene.session_tokens(), Secret::new().unwrap());
    let Completed { granted, sent, refresh_token, .. } =
        scene.complete(&scene.sign_in().await).await.unwrap();
    let first = granted.access_token.clone();
    tokens.begin(&cookie, refresh_token, granted, sent).await.unwrap();
    let now = async || tokens.of(&cookie, "alice").own().ensure_access(&Wanted::default()).await.unwrap();
    let refused = now().await;
    assert_eq!((refused.token(), scene.refreshes()), (&first, 0), "the sign-in's own token is used first");

    // All of them were refused with it.
    let tabs = (0..20).map(|_| async {
        let handle = tokens.of(&cookie, "alice").own();
        handle.instead_of(&refused, &Wanted::default()).await.unwrap().unwrap().token().expose().to_owned()
    });
    let given = futures_util::future::join_all(tabs).await;
    assert!(given.iter().all(|token| *token == given[0] && *token != first.expose()));
    assert_eq!(scene.refreshes(), 1);
    assert_eq!(now().await.token().expose(), given[0]);
}

// HARD 14
#[tokio::test]
async fn who_signs_out_has_no_token_and_the_issuer_knows() {
    let scene = scene().await;
    let (tokens, cookie) = (scene.session_tokens(), Secret::new().unwrap());
    let Completed { granted, sent, refresh_token, .. } =
        scene.complete(&scene.sign_in().await).await.unwrap();
    tokens.begin(&cookie, refresh_token, granted, sent).await.unwrap();
    tokens.of(&cookie, "alice").own().ensure_access(&Wanted::default()).await.unwrap();
    assert_eq!(tokens.end(&cookie.fingerprint()).await, Ok(bearward_supply::Revoked::Done));
    let error = tokens.of(&cookie, "alice").own().ensure_access(&Wanted::default()).await.unwrap_err();
    assert!(error.to_string().contains("log in again"), "{error}");
    assert_eq!(scene.refreshes(), 0);
}
