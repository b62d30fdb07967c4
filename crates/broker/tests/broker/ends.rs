//! How sessions end.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header;
use bearward_broker::ProblemKind;
use bearward_broker::random::Secret;
use bearward_store::{Memory, Purpose, Store};
use bearward_supply::Wanted;
use bearward_testbed::authorization_server::{Fault, Place};
use bearward_token::{Clock, ManualClock, SystemClock};
use serde_json::json;

use crate::page::*;
use crate::scene::{KEPT_FOR, scene};

// HARD 14
#[tokio::test]
async fn a_logout_ends_what_every_provider_was_given_by_refresh_and_by_exchange() {
    let mut page = page().await;
    page.sign_in("/").await;
    for provider in ["tools", "calendar", "contacts", "exchanged"] {
        let given = page.post("/auth/broker/exchange", &json!({"provider": provider})).await;
        assert_eq!(given.status, 200, "{provider}: {}", given.body);
    }
    let cookies = page.cookies.clone();
    page.post("/auth/logout", &json!({})).await;
    let told = page.scene.issuer.counts().snapshot().at(Place::Revocation);
    assert_eq!(told, 5, "the refresh token and four access tokens");
    page.cookies = cookies;
    for provider in ["tools", "calendar", "contacts", "exchanged"] {
        let replayed = page.post("/auth/broker/exchange", &json!({"provider": provider})).await;
        assert_eq!(problem(&replayed), (401, "login-required"), "{provider}");
    }
}

// HARD 14
#[tokio::test]
async fn who_signs_out_is_signed_out_whatever_else_stands_beside_the_cookie() {
    for beside in ["city=Z\u{fc}rich", "__Host-session=planted-by-somebody"] {
        let mut page = page().await;
        page.sign_in("/").await;
        let (name, session) = page.cookies.iter().find(|(name, _)| name == "__Host-session").unwrap().clone();
        let mut out = own("/auth/logout", &json!({}));
        let cookies = [beside.as_bytes(), format!("; {name}={session}").as_bytes()].concat();
        out.headers_mut().insert(header::COOKIE, axum::http::HeaderValue::from_bytes(&cookies).unwrap());
        assert_eq!(page.send(out).await.status, 200, "{beside}");
        assert_eq!(page.get("/auth/session").await.body, json!({"authenticated": false}), "{beside}");
        assert!(page.scene.issuer.counts().snapshot().at(Place::Revocation) >= 1, "{beside}");
    }
    let mut nobody = own("/auth/logout", &json!({}));
    nobody.headers_mut().insert(header::COOKIE, "__Host-session=planted".parse().unwrap());
    assert_eq!(problem(&page().await.send(nobody).await), (401, "session-ambiguous"), "nothing was ended");
}

#[tokio::test]
async fn a_logout_of_nobody_costs_nothing() {
    let mut page = page().await;
    page.sign_in("/").await;
    let before = page.store.count(Purpose::Session).await;
    let own_cookies = page.cookies.clone();
    for _ in 0..50 {
        let mut out = own("/auth/logout", &json!({}));
        let made_up = format!("__Host-session={}", bearward_broker::random::Secret::new().unwrap().expose());
        out.headers_mut().insert(header::COOKIE, made_up.parse().unwrap());
        assert_eq!(page.send(out).await.status, 200);
    }
    assert_eq!(page.store.count(Purpose::Session).await, before);
    assert_eq!(page.scene.issuer.counts().snapshot().at(Place::Revocation), 0);
    page.cookies = own_cookies;
    assert!(page.get("/auth/session").await.body["authenticated"].as_bool().unwrap());
}

#[tokio::test]
async fn a_session_that_its_issuer_ended_is_cleaned_up_also_when_its_cookie_never_comes_again() {
    use bearward_guard::revocation::{Revocation, Source};
    let mut page = page().await;
    page.sign_in("/").await;
    page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    assert_eq!(page.application.sweep().await, 0);
    assert!(page.get("/auth/session").await.body["authenticated"].as_bool().unwrap(), "what is open stays");
    let before = SystemClock::new();
    let issued_before = Some(bearward_token::Clock::unix_seconds(&before) + 60);
    let issuer = Some(page.scene.issuer.issuer());
    let ended = Revocation { issuer, sub: Some("alice".into()), issued_before, ..Revocation::default() };
    page.revocations.add(Source::Logout, &ended).unwrap();
    assert_eq!(page.application.sweep().await, 1);
    assert!(page.scene.issuer.counts().snapshot().at(Place::Revocation) >= 1);
    assert_eq!(page.application.sweep().await, 0);
}

// HARD 3
#[tokio::test]
async fn a_refresh_that_is_answered_for_another_user_ends_the_session_also_after_a_restart() {
    for is_restarted in [false, true] {
        let scene = scene().await;
        let store = Arc::new(Memory::new(100, Arc::new(SystemClock::new())));
        let cookie = Secret::new().unwrap();
        let completed = scene.complete(&scene.sign_in().await).await.unwrap();
        let mut tokens = scene.session_tokens_in(store.clone());
        tokens.begin(&cookie, completed.refresh_token, completed.granted, completed.sent).await.unwrap();
        if is_restarted {
            tokens = scene.session_tokens_in(store.clone());
        } else {
            // What the sign-in brought; the next is a refresh.
            let own = tokens.of(&cookie, "bob").own();
            let first = own.ensure_access(&Wanted::default()).await.unwrap();
            assert!(own.invalidate(&first));
        }
        // The issuer answers for alice.
        let given = tokens.of(&cookie, "bob").own().ensure_access(&Wanted::default()).await;
        assert!(given.is_err(), "bob's session has alice's token; restarted: {is_restarted}");
        let told = scene.issuer.counts().snapshot().at(Place::Revocation);
        assert!(told >= 2, "what came for alice is revoked, and the login with it: {told}");
        assert!(store.list(Purpose::RefreshToken).await.unwrap().places.is_empty());
    }
}

// HARD 14
#[tokio::test]
async fn a_login_is_there_to_be_revoked_when_its_session_has_reached_its_end() {
    let scene = scene().await;
    let clock = Arc::new(ManualClock::at_unix_ms(SystemClock::new().unix_ms()));
    let tokens = scene.session_tokens_in(Arc::new(Memory::new(100, clock.clone())));
    let cookie = Secret::new().unwrap();
    let completed = scene.complete(&scene.sign_in().await).await.unwrap();
    tokens.begin(&cookie, completed.refresh_token, completed.granted, completed.sent).await.unwrap();
    clock.advance(KEPT_FOR + Duration::from_secs(3600));
    tokens.end(&cookie.fingerprint()).await.unwrap();
    assert_eq!(scene.issuer.counts().snapshot().at(Place::Revocation), 2, "of a sweep within the hour");
}

#[tokio::test]
async fn nothing_stays_of_logins_that_have_ended() {
    let mut page = page().await;
    for _ in 0..5 {
        page.sign_in("/").await;
        page.post("/auth/logout", &json!({})).await;
    }
    assert_eq!(page.store.count(Purpose::Session).await, 0);
    assert_eq!(page.tokens.count(Purpose::RefreshToken).await, 0);
}

// HARD 14
#[tokio::test]
async fn a_sign_in_that_is_not_trusted_is_revoked() {
    let mut scene = scene().await;
    let query = scene.sign_in().await;
    scene.login.id_tokens = scene.id_tokens_for("another-client");
    assert_eq!(scene.fails(&query).await, ProblemKind::LoginFailed);
    assert_eq!(scene.issuer.counts().snapshot().grant("authorization_code"), 1);
    assert_eq!(scene.issuer.counts().snapshot().at(Place::Revocation), 2);
}

// HARD 14
#[tokio::test]
async fn who_signs_out_is_signed_out_among_however_many_cookies() {
    let mut page = page().await;
    page.sign_in("/").await;
    let (name, session) = page.cookies.iter().find(|(name, _)| name == "__Host-session").unwrap().clone();
    let planted = (0..40).map(|_| format!("{name}={}", Secret::new().unwrap().expose()));
    let cookies: Vec<_> = planted.chain([format!("{name}={session}")]).collect();
    let mut out = own("/auth/logout", &json!({}));
    out.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
    let more = format!("{}; filler={}", cookies.join("; "), "x".repeat(64 * 1024));
    let mut endless = own("/auth/logout", &json!({}));
    endless.headers_mut().insert(header::COOKIE, more.parse().unwrap());
    assert_eq!(problem(&page.send(endless).await), (401, "session-ambiguous"), "more than a browser sends");
    assert_eq!(page.send(out).await.status, 200);
    page.cookies = vec![(name, session)];
    assert_eq!(page.get("/auth/session").await.body["authenticated"], false);
}

// HARD 14
#[tokio::test]
async fn a_logout_while_the_store_is_broken_revokes_all_the_same_and_is_ended_there_later() {
    let mut page = page().await;
    page.sign_in("/").await;
    page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    page.tokens.break_down();
    assert_eq!(page.post("/auth/logout", &json!({})).await.status, 200);
    let told = page.scene.issuer.counts().snapshot().at(Place::Revocation);
    assert_eq!(told, 2, "the refresh token and the access token");
    assert_eq!(page.tokens.count(Purpose::RefreshToken).await, 1);
    page.tokens.mend();
    page.application.sweep().await;
    assert_eq!(page.tokens.count(Purpose::RefreshToken).await, 0);
}

// HARD 32
#[tokio::test]
async fn a_provider_whose_exchange_is_refused_signs_nobody_out_who_has_no_refresh_token() {
    let mut page = page_of(Setup { scopes: "openid mcp calendar", ..Setup::default() }).await;
    page.sign_in("/").await;
    let tools = json!({"provider": "tools"});
    assert_eq!(page.post("/auth/broker/exchange", &tools).await.status, 200);
    assert_eq!(page.tokens.count(Purpose::RefreshToken).await, 0);
    let body = json!({"error": "invalid_request"}).to_string();
    page.scene.issuer.faults().next(Place::Token, 1, Fault::Status { status: 400, body, retry_after: None });
    let refused = page.post("/auth/broker/exchange", &json!({"provider": "exchanged"})).await;
    assert_eq!(problem(&refused), (403, "provider-refused"));
    assert_eq!(page.post("/auth/broker/exchange", &tools).await.status, 200);
}
