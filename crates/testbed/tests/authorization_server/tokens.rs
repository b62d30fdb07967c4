//! Introspection (RFC 7662), revocation (RFC 7009), userinfo, opaque tokens.

use bearward_testbed::authorization_server::TokenFormat;
use serde_json::json;

use crate::visitor::{API, read, visitor, visitor_of};

const GATEWAY: Option<(&str, &str)> = Some(("gateway", "a secret: +&%"));
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn a_live_token_of_either_format_is_described_and_a_dead_one_is_only_inactive() {
    for format in [TokenFormat::Jwt, TokenFormat::Opaque] {
        let visitor = visitor_of(|server| server.token_format(format)).await;
        let (_, issued) = visitor.gateway(&[GRANT, ("resource", API), ("scope", "a")]).await;
        let token = issued["access_token"].as_str().unwrap();
        assert_eq!(token.split('.').count() == 3, format == TokenFormat::Jwt);
        let (_, said) = visitor.post("/introspect", GATEWAY, &[("token", token)]).await;
        assert_eq!(said["active"], true);
        assert_eq!(
            (&said["aud"], &said["scope"], &said["client_id"]),
            (&json!(API), &json!("a"), &json!("gateway"))
        );
        visitor.clock.advance(std::time::Duration::from_secs(3600));
        let (_, said) = visitor.post("/introspect", GATEWAY, &[("token", token)]).await;
        assert_eq!(said, json!({"active": false}), "{format:?}");
        assert!(!visitor.is_active("garbage").await);
    }
}

#[tokio::test]
async fn only_a_client_may_introspect_or_revoke() {
    let visitor = visitor().await;
    for path in ["/introspect", "/revoke"] {
        for basic in [None, Some(("gateway", "wrong"))] {
            assert_eq!(visitor.post(path, basic, &[("token", "x")]).await.0, 401);
        }
        let public = visitor.post(path, None, &[("client_id", "app"), ("token", "x")]).await;
        assert_eq!(public.0, if path == "/introspect" { 401 } else { 200 }, "a public client");
        assert_eq!(visitor.post(path, GATEWAY, &[("token", "x")]).await.0, 200);
    }
}

#[tokio::test]
async fn a_revoked_token_is_dead_and_another_clients_cannot_be_revoked() {
    let visitor = visitor().await;
    let (_, issued) = visitor.gateway(&[GRANT]).await;
    let token = issued["access_token"].as_str().unwrap();
    assert_eq!(visitor.post("/revoke", None, &[("client_id", "app"), ("token", token)]).await.0, 200);
    assert!(visitor.is_active(token).await);
    assert_eq!(visitor.post("/revoke", GATEWAY, &[("token", token)]).await.0, 200);
    assert!(!visitor.is_active(token).await);
}

#[tokio::test]
async fn a_revoked_refresh_token_ends_its_family() {
    let visitor = visitor().await;
    let tokens = visitor.signed_in().await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert!(visitor.is_active(refresh).await);
    visitor.post("/revoke", None, &[("client_id", "app"), ("token", refresh)]).await;
    assert!(!visitor.is_active(refresh).await);
    assert!(!visitor.is_active(tokens["access_token"].as_str().unwrap()).await);
}

#[tokio::test]
async fn userinfo_tells_a_tokens_user_and_nobody_else() {
    let visitor = visitor().await;
    let tokens = visitor.signed_in().await;
    let url = format!("{}/userinfo", visitor.server.issuer());
    let token = tokens["access_token"].as_str().unwrap();
    let (_, user) = read(visitor.http.get(&url).bearer_auth(token).send().await.unwrap()).await;
    assert_eq!(user, json!({"sub": "alice", "org_id": "acme"}));
    assert_eq!(visitor.http.get(&url).bearer_auth("garbage").send().await.unwrap().status(), 401);
    assert_eq!(visitor.http.get(&url).send().await.unwrap().status(), 401);
}

// HARD 20
#[tokio::test]
async fn every_secret_that_was_given_out_or_configured_is_remembered() {
    let visitor = visitor().await;
    let tokens = visitor.signed_in().await;
    let secrets = visitor.server.counts().secrets();
    for name in ["access_token", "id_token", "refresh_token"] {
        assert!(secrets.contains(&tokens[name].as_str().unwrap().to_owned()), "{name}");
    }
    assert!(secrets.contains(&"a secret: +&%".to_owned()) && secrets.contains(&"wonderland".to_owned()));
}
