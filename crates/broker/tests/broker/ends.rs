//! How sessions end.

use axum::http::header;
use bearward_store::Purpose;
use bearward_testbed::authorization_server::Place;
use bearward_token::SystemClock;
use serde_json::json;

use crate::page::*;

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
