use bearward_testbed::authorization_server::{Client, ClientAuth};

use crate::visitor::{
    API, Answer, CALLBACK, OTHER_API, Visitor, claims, query, refused, visitor, visitor_of,
};

async fn refresh(visitor: &Visitor, token: &str, more: &[(&str, &str)]) -> Answer {
    let own = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", token)];
    visitor.token(&[&own, more].concat()).await
}

#[tokio::test]
async fn a_refresh_token_becomes_an_access_token_and_the_next_refresh_token() {
    let visitor = visitor().await;
    let first = visitor.signed_in().await;
    let old = first["refresh_token"].as_str().unwrap();
    let (status, second) = refresh(&visitor, old, &[]).await;
    assert_eq!(status, 200);
    let new = second["refresh_token"].as_str().unwrap();
    assert_ne!(new, old);
    assert_eq!(claims(&second["access_token"])["aud"], API);
    assert_ne!(second["access_token"], first["access_token"]);
    assert_eq!(refresh(&visitor, new, &[]).await.0, 200);
}

// RFC 9700 §4.14.2
#[tokio::test]
async fn a_refresh_token_used_twice_ends_its_family() {
    let visitor = visitor().await;
    let first = visitor.signed_in().await;
    let old = first["refresh_token"].as_str().unwrap();
    let (_, second) = refresh(&visitor, old, &[]).await;
    let new = second["refresh_token"].as_str().unwrap();
    refused(&refresh(&visitor, old, &[]).await, "invalid_grant");
    refused(&refresh(&visitor, new, &[]).await, "invalid_grant");
    assert!(!visitor.is_active(second["access_token"].as_str().unwrap()).await);
    // Another login is another family.
    let other = visitor.signed_in().await;
    assert_eq!(refresh(&visitor, other["refresh_token"].as_str().unwrap(), &[]).await.0, 200);
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_and_never_for_more() {
    let visitor = visitor().await;
    let two = [("resource", API), ("scope", "a b offline_access"), ("audience", OTHER_API)];
    let code = query(&visitor.sign_in(&two).await, "code").unwrap();
    let (_, tokens) = visitor.redeem(&code, &[]).await;
    let first = tokens["refresh_token"].as_str().unwrap();
    let (status, less) = refresh(&visitor, first, &[("scope", "a offline_access"), ("resource", API)]).await;
    assert_eq!((status.as_u16(), less["scope"].as_str()), (200, Some("a offline_access")));
    assert_eq!(claims(&less["access_token"])["aud"], API);

    for (more, error) in
        [(("scope", "a b c"), "invalid_scope"), (("resource", "https://third.example"), "invalid_target")]
    {
        let tokens = visitor.signed_in().await;
        let token = tokens["refresh_token"].as_str().unwrap();
        refused(&refresh(&visitor, token, &[more]).await, error);
        assert_eq!(refresh(&visitor, token, &[]).await.0, 200, "the mended request is no reuse");
    }
}

// RFC 8707 §2.2, RFC 6749 §6
#[tokio::test]
async fn one_login_serves_its_resources_in_turn_and_asking_for_less_costs_nothing_of_it() {
    let visitor = visitor().await;
    let two = [("resource", API), ("scope", "a b offline_access"), ("resource", OTHER_API)];
    let code = query(&visitor.sign_in(&two).await, "code").unwrap();
    let (_, mut tokens) = visitor.redeem(&code, &[("resource", API)]).await;
    for (resource, scope) in [(OTHER_API, "a"), (API, "b"), (OTHER_API, "a b"), (API, "a b offline_access")] {
        let token = tokens["refresh_token"].as_str().unwrap();
        let asked = [("resource", resource), ("scope", scope)];
        tokens = refresh(&visitor, token, &asked).await.1;
        assert_eq!(
            (&claims(&tokens["access_token"])["aud"], &tokens["scope"]),
            (&resource.into(), &scope.into())
        );
    }
    let (_, all) = refresh(&visitor, tokens["refresh_token"].as_str().unwrap(), &[]).await;
    assert_eq!(claims(&all["access_token"])["aud"], serde_json::json!([API, OTHER_API]));
}

// As Auth0's multi-resource refresh tokens, and Entra's.
#[tokio::test]
async fn a_client_whose_refresh_tokens_reach_farther_gets_other_resources_when_it_names_them() {
    let app = Client::new("app", ClientAuth::Public).redirect_uri(CALLBACK).also_by_refresh(&[OTHER_API]);
    let visitor = visitor_of(|builder| builder.client(app)).await;
    let tokens = visitor.signed_in().await;
    let (_, other) =
        refresh(&visitor, tokens["refresh_token"].as_str().unwrap(), &[("resource", OTHER_API)]).await;
    assert_eq!(claims(&other["access_token"])["aud"], OTHER_API);
    let token = other["refresh_token"].as_str().unwrap();
    refused(&refresh(&visitor, token, &[("resource", "https://third.example")]).await, "invalid_target");
    let (_, own) = refresh(&visitor, token, &[]).await;
    assert_eq!(claims(&own["access_token"])["aud"], API);
}

#[tokio::test]
async fn each_wrong_refresh_is_refused() {
    let visitor = visitor().await;
    refused(&refresh(&visitor, "made-up", &[]).await, "invalid_grant");
    refused(&refresh(&visitor, "", &[]).await, "invalid_request");
    let tokens = visitor.signed_in().await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    refused(&visitor.gateway(&form).await, "invalid_grant");
    assert_eq!(refresh(&visitor, token, &[]).await.0, 200, "its own client can still use it");
}

#[tokio::test]
async fn the_server_counts_how_often_each_refresh_token_was_presented() {
    let visitor = visitor().await;
    let tokens = visitor.signed_in().await;
    let token = tokens["refresh_token"].as_str().unwrap();
    refresh(&visitor, token, &[]).await;
    refresh(&visitor, token, &[]).await;
    let counts = visitor.server.counts().snapshot();
    assert_eq!(counts.refresh_tokens.values().collect::<Vec<_>>(), [&2]);
    assert!(!format!("{counts:?}").contains(token));
}
