//! What happens in the middle: a store that breaks, a browser that leaves, an issuer that hangs.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use bearward_store::Purpose;
use bearward_testbed::authorization_server::{Fault, Place};
use bearward_token::ManualClock;
use serde_json::json;
use tower::ServiceExt;

use crate::breaking::Breaking;
use crate::page::*;
use crate::scene::until;

// HARD 13
#[tokio::test]
async fn a_sign_in_that_cannot_be_kept_signs_nobody_in_and_its_tokens_are_revoked() {
    let which: [fn(&Page) -> &Arc<Breaking>; 2] = [|page| &page.store, |page| &page.tokens];
    for broken in which {
        let mut page = page().await;
        broken(&page).break_down();
        let back = page.sign_in("/").await;
        assert_eq!(problem(&back), (503, "unavailable"));
        assert!(!page.cookies.iter().any(|(name, _)| name == "__Host-session"), "{:?}", page.cookies);
        let told = page.scene.issuer.counts().snapshot().at(Place::Revocation);
        assert_eq!(told, 2, "the refresh token and the access token");
        broken(&page).mend();
        let again = page.sign_in("/").await;
        assert_eq!(again.status, 303);
        assert_eq!(page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await.status, 200);
    }
}

#[tokio::test]
async fn a_browser_that_leaves_in_the_middle_of_its_return_loses_no_code_and_no_token() {
    let mut page = page().await;
    let back = page.come_back_from_issuer("/").await;
    let cookies: Vec<_> = page.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = Request::get(back).header(header::COOKIE, cookies.join("; ")).body(Body::empty()).unwrap();
    let mut answering = Box::pin(page.app.clone().oneshot(request));
    // Begun, and not waited for.
    assert!(futures_util::poll!(&mut answering).is_pending());
    drop(answering);
    until("the session", async || page.store.count(Purpose::Session).await == 1).await;
    assert_eq!(page.tokens.count(Purpose::RefreshToken).await, 1);
    assert_eq!(page.scene.issuer.counts().snapshot().grant("authorization_code"), 1);
}

// HARD 14
#[tokio::test]
async fn who_signs_out_waits_two_seconds_for_an_issuer_that_hangs_and_the_session_has_ended_before() {
    let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
    let mut page = page_of(Setup { patience: clock.clone(), ..Setup::default() }).await;
    page.sign_in("/").await;
    page.scene.issuer.faults().always(Place::Revocation, Fault::Latency { ms: 60_000 });
    let before = page.cookies.clone();
    let mut out = own("/auth/logout", &json!({}));
    let cookies: Vec<_> = before.iter().map(|(name, value)| format!("{name}={value}")).collect();
    out.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
    let answering = tokio::spawn(page.app.clone().oneshot(out));
    until("the issuer being told", async || page.scene.issuer.counts().snapshot().at(Place::Revocation) == 1)
        .await;
    assert_eq!(page.get("/auth/session").await.body, json!({"authenticated": false}));
    clock.advance(Duration::from_millis(1_990));
    tokio::task::yield_now().await;
    assert!(!answering.is_finished());
    clock.advance(Duration::from_millis(20));
    assert_eq!(answering.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn what_only_looks_begins_no_sign_in_and_spends_no_code() {
    let mut page = page().await;
    let back = page.come_back_from_issuer("/").await;
    for path in ["/auth/login", &back] {
        let answer = page.send(Request::head(path).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, &answer.headers[header::ALLOW]), (405, &"GET".parse().unwrap()), "{path}");
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
    }
    assert_eq!(page.get(&back).await.status, 303);
}
