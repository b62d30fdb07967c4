//! RFC 8693.

use serde_json::json;

use crate::visitor::{API, Answer, OTHER_API, Visitor, claims, refused, visitor};

const GRANT: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

async fn exchange(visitor: &Visitor, subject: &str, more: &[(&str, &str)]) -> Answer {
    let usual = [GRANT, ("subject_token", subject), ("subject_token_type", ACCESS), ("resource", OTHER_API)];
    let kept = usual.into_iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    let form: Vec<_> = kept.chain(more.iter().copied()).filter(|(_, value)| !value.is_empty()).collect();
    visitor.gateway(&form).await
}

async fn alices_token(visitor: &Visitor) -> String {
    visitor.signed_in().await["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_users_token_becomes_one_for_another_audience_that_speaks_for_the_same_user() {
    let visitor = visitor().await;
    let subject = alices_token(&visitor).await;
    let (status, answer) = exchange(&visitor, &subject, &[]).await;
    assert_eq!((status.as_u16(), answer["issued_token_type"].as_str()), (200, Some(ACCESS)));
    let token = claims(&answer["access_token"]);
    assert_eq!((&token["sub"], &token["aud"]), (&json!("alice"), &json!(OTHER_API)));
    assert_eq!((&token["client_id"], &token["org_id"]), (&json!("gateway"), &json!("acme")));
    assert!(token["act"].is_null());
    assert_eq!(
        exchange(&visitor, &subject, &[("requested_token_type", JWT)]).await.1["issued_token_type"],
        JWT
    );
}

#[tokio::test]
async fn an_actor_is_named_and_the_chain_of_actors_is_kept() {
    let visitor = visitor().await;
    let subject = alices_token(&visitor).await;
    let (_, own) = visitor.gateway(&[("grant_type", "client_credentials")]).await;
    let actor = [("actor_token", own["access_token"].as_str().unwrap()), ("actor_token_type", ACCESS)];
    let (_, first) = exchange(&visitor, &subject, &actor).await;
    assert_eq!(claims(&first["access_token"])["act"]["sub"], "gateway");
    let (_, second) = exchange(&visitor, first["access_token"].as_str().unwrap(), &actor).await;
    assert_eq!(claims(&second["access_token"])["act"]["act"]["sub"], "gateway");
}

#[tokio::test]
async fn the_scope_may_shrink_and_never_grow() {
    let visitor = visitor().await;
    let subject = alices_token(&visitor).await;
    let (_, less) = exchange(&visitor, &subject, &[("scope", "notes:read")]).await;
    assert_eq!(claims(&less["access_token"])["scope"], "notes:read");
    refused(&exchange(&visitor, &subject, &[("scope", "notes:read notes:write")]).await, "invalid_scope");
}

#[tokio::test]
async fn each_wrong_exchange_is_refused() {
    let visitor = visitor().await;
    let subject = alices_token(&visitor).await;
    for (wrong, error) in [
        (("subject_token", "garbage"), "invalid_request"),
        (("subject_token", ""), "invalid_request"),
        (("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), "invalid_request"),
        (("subject_token_type", ""), "invalid_request"),
        (("requested_token_type", "urn:ietf:params:oauth:token-type:saml2"), "invalid_request"),
        (("actor_token", "garbage"), "invalid_request"),
        (("resource", ""), "invalid_target"),
    ] {
        refused(&exchange(&visitor, &subject, &[wrong]).await, error);
    }
    let foreign = visitor.server.token_for(API).forged_with(
        bearward_testbed::keys::SigningKey::generate(bearward_testbed::keys::Algorithm::Rs256).into(),
    );
    refused(&exchange(&visitor, &foreign.build(), &[]).await, "invalid_request");
    visitor.clock.advance(std::time::Duration::from_secs(3600));
    refused(&exchange(&visitor, &subject, &[]).await, "invalid_request");
}
