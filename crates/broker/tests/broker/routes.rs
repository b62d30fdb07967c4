//! What sessions get, as a browser's page asks for it.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_broker::{ProviderLogins, Session};
use bearward_supply::Logins;
use bearward_testbed::authorization_server::{Fault, Place};
use bearward_token::Fingerprint;
use serde_json::{Value, json};
use url::Url;

use crate::page::*;
use crate::scene::{CALENDAR, CONTACTS, MCP};

#[tokio::test]
async fn a_user_signs_in_gets_tokens_and_signs_out() {
    let mut page = page().await;
    assert_eq!(page.get("/auth/session").await.body, json!({"authenticated": false}));
    let back = page.sign_in("/notes?id=1").await;
    assert_eq!((back.status, &back.headers[header::LOCATION]), (303, &"/notes?id=1".parse().unwrap()));
    let session = page.get("/auth/session").await;
    assert_eq!(session.body, json!({"authenticated": true, "subject": "alice", "name": "Alice"}));
    let given = page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    assert_eq!((given.status, &given.body["audience"]), (200, &MCP.into()));
    let token = given.body["access_token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("ey") && given.body["expires_in"].as_u64().unwrap() > 3000);

    let cookies = page.cookies.clone();
    let out = page.post("/auth/logout", &json!({})).await;
    assert_eq!((out.status, &out.body["authenticated"]), (200, &false.into()));
    let elsewhere = Url::parse(out.body["endSession"].as_str().unwrap()).unwrap();
    assert!(elsewhere.as_str().starts_with(&page.scene.issuer.issuer()), "{elsewhere}");
    assert!(elsewhere.query_pairs().any(|(name, back)| name == "post_logout_redirect_uri" && back == HOME));
    assert!(!elsewhere.as_str().contains("ey"), "no token in a URL");
    assert!(page.cookies.is_empty());
    page.cookies = cookies;
    let replayed = page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    assert_eq!(problem(&replayed), (401, "login-required"), "the old cookie opens nothing (HARD 30)");
}

/// The claims of a token that was given.
fn claims(answer: &Answer) -> Value {
    let token = answer.body["access_token"].as_str().unwrap();
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

// HARD 3, HARD 31
#[tokio::test]
async fn one_sign_in_gives_each_provider_a_token_for_itself_and_one_that_is_refused_harms_no_other() {
    let mut page = page().await;
    page.sign_in("/").await;
    for (provider, audience) in [("calendar", CALENDAR), ("tools", MCP), ("contacts", CONTACTS)] {
        let unknown = page.post("/auth/broker/exchange", &json!({"provider": "unknown"})).await;
        assert_eq!(problem(&unknown).1, "provider-refused");
        let given = page.post("/auth/broker/exchange", &json!({"provider": provider})).await;
        assert_eq!((given.status, &given.body["audience"]), (200, &audience.into()), "{provider}");
        assert_eq!((&claims(&given)["aud"], &claims(&given)["sub"]), (&audience.into(), &"alice".into()));
    }
    let wish = json!({"provider": "calendar", "scopes": ["calendar"]});
    let less = page.post("/auth/broker/exchange", &wish).await;
    assert_eq!((&claims(&less)["scope"], &claims(&less)["aud"]), (&"calendar".into(), &CALENDAR.into()));
    let more = json!({"provider": "calendar", "scopes": ["offline_access"]});
    assert_eq!(problem(&page.post("/auth/broker/exchange", &more).await), (403, "scope-not-allowed"));
    let again = page.post("/auth/broker/exchange", &json!({"provider": "calendar"})).await;
    assert_eq!(claims(&again)["scope"], "calendar mcp", "less for one is not less for the next");
    let counts = page.scene.issuer.counts().snapshot();
    assert_eq!(counts.issued["refresh_token"], 3, "calendar twice, contacts once");
}

#[tokio::test]
async fn a_stale_complaint_costs_nothing_and_a_true_one_one_refresh() {
    let mut page = page().await;
    page.sign_in("/").await;
    let first = page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    let first = first.body["access_token"].as_str().unwrap().to_owned();
    let complain = |about: &str| json!({"provider": "tools", "rejected": Fingerprint::of(about).to_hex()});
    for stale in [complain("another token"), json!({"provider": "tools"})] {
        let answer = page.post("/auth/broker/refresh", &stale).await;
        assert_eq!(answer.body["access_token"], first.as_str());
    }
    assert_eq!(page.scene.refreshes(), 0);
    let newer = page.post("/auth/broker/refresh", &complain(&first)).await;
    assert_ne!(newer.body["access_token"], first.as_str());
    page.post("/auth/broker/refresh", &complain(&first)).await;
    assert_eq!(page.scene.refreshes(), 1);
}

// HARD 29
#[tokio::test]
async fn a_peek_shows_no_token_and_changes_nothing() {
    let mut page = page().await;
    let about = "/auth/broker/peek?provider=tools";
    assert_eq!(page.get(about).await.body, json!({"authenticated": false, "provider": "tools"}));
    page.sign_in("/").await;
    page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    let before = page.scene.issuer.counts().snapshot();
    let peeked = page.get(about).await;
    assert_eq!((&peeked.body["authenticated"], &peeked.body["subject"]), (&true.into(), &"alice".into()));
    assert!(peeked.body["expiresIn"].as_u64().unwrap() > 3000);
    assert_eq!(peeked.body["canRefresh"], true);
    assert!(!peeked.body.to_string().contains("ey"), "{}", peeked.body);
    assert_eq!(page.scene.issuer.counts().snapshot(), before);
    assert_eq!(problem(&page.get("/auth/broker/peek").await), (400, "invalid-request"));
}

#[tokio::test]
async fn every_token_that_is_given_and_every_denial_is_counted() {
    let mut page = page().await;
    page.sign_in("/").await;
    let first = page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    let rejected = Fingerprint::of(first.body["access_token"].as_str().unwrap()).to_hex();
    page.post("/auth/broker/refresh", &json!({"provider": "tools", "rejected": rejected})).await;
    page.post("/auth/broker/exchange", &json!({"provider": "foreign"})).await;
    let metrics = page.observer.metrics().render().unwrap();
    for line in [
        "auth_token_broker_exchange_total{provider=\"tools\",outcome=\"success\"} 1",
        "auth_token_broker_refresh_total{provider=\"tools\",outcome=\"success\"} 1",
        "auth_guard_denied_total{provider=\"foreign\",reason=\"auth_authority_mismatch\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn who_wishes_for_fewer_scopes_gets_a_token_with_these_and_no_others_however_it_is_had() {
    let mut page = page().await;
    page.sign_in("/").await;
    for provider in ["tools", "calendar", "exchanged"] {
        for (scopes, expected) in [(json!(["calendar"]), "calendar"), (json!(["mcp"]), "mcp")] {
            let wish = json!({"provider": provider, "scopes": scopes});
            let given = page.post("/auth/broker/exchange", &wish).await;
            assert_eq!(given.status, 200, "{provider}: {}", given.body);
            let token = given.body["access_token"].as_str().unwrap();
            let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
            let claims: Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(claims["scope"], expected, "{provider}");
        }
    }
    // The login itself has lost nothing by it.
    let whole = page.post("/auth/broker/exchange", &json!({"provider": "calendar"})).await;
    assert_eq!(whole.status, 200, "{}", whole.body);
}

#[tokio::test]
async fn a_session_whose_token_is_not_taken_for_an_exchange_any_more_gets_another_one_first() {
    let mut page = page().await;
    page.sign_in("/").await;
    page.post("/auth/broker/exchange", &json!({"provider": "tools"})).await;
    let refused =
        Fault::Status { status: 400, body: json!({"error": "invalid_grant"}).to_string(), retry_after: None };
    page.scene.issuer.faults().next(Place::Token, 1, refused);
    let given = page.post("/auth/broker/exchange", &json!({"provider": "exchanged"})).await;
    assert_eq!(given.status, 200, "{}", given.body);
    assert_eq!(page.scene.refreshes(), 1);
}

// HARD 29
#[tokio::test]
async fn at_a_gateway_a_cookie_alone_counts_from_a_program_and_from_a_page_of_our_own_and_no_other() {
    let mut page = page().await;
    page.sign_in("/").await;
    let logins = ProviderLogins::new(page.application.clone(), "tools", None);
    let issuer = page.application.issuer().clone();
    let caller = Session::new("alice").principal(&issuer, Default::default());
    let cookie = page.cookies.iter().find(|(name, _)| name == "__Host-session").unwrap();
    let headers = |more: &[(&'static str, &'static str)]| {
        let cookie = (header::COOKIE, format!("{}={}", cookie.0, cookie.1).parse().unwrap());
        let more = more.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        HeaderMap::from_iter([cookie].into_iter().chain(more))
    };
    for ours in [headers(&[]), headers(&[("origin", HOME), ("sec-fetch-site", "same-origin")])] {
        assert!(logins.of_request(&ours, None).await.unwrap().is_some());
    }
    for more in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "same-site")] {
        let by_page = headers(&[more]);
        assert!(logins.of_request(&by_page, None).await.is_err(), "{more:?}");
        let found = logins.of_request(&by_page, Some(&caller)).await.unwrap();
        assert!(found.is_some(), "{more:?}: with a token of its own, which no other site has");
    }
}
