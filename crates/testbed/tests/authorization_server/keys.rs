use bearward_testbed::authorization_server::AuthorizationServer;
use bearward_testbed::keys::Algorithm;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use crate::visitor::{API, Visitor, visitor, visitor_of};

/// Whether the published keys verify a token, by a library that is not the server's signer.
async fn verifies(visitor: &Visitor, token: &str) -> bool {
    let (_, keys) = visitor.get("/jwks.json").await;
    let keys: JwkSet = serde_json::from_value(keys).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let Some(jwk) = keys.find(&header.kid.unwrap()) else { return false };
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.set_audience(&[API]);
    jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).is_ok()
}

#[tokio::test]
async fn tokens_of_each_algorithm_are_verified_by_the_published_keys() {
    for (algorithm, name) in
        [(Algorithm::Rs256, "RS256"), (Algorithm::Es256, "ES256"), (Algorithm::EdDsa, "EdDSA")]
    {
        let visitor = visitor_of(|server| server.algorithm(algorithm)).await;
        let (_, keys) = visitor.get("/jwks.json").await;
        assert_eq!((&keys["keys"][0]["alg"], &keys["keys"][0]["use"]), (&json!(name), &json!("sig")));
        assert!(keys["keys"][0]["d"].is_null(), "no private half");
        let form = [("grant_type", "client_credentials"), ("resource", API)];
        let (_, issued) = visitor.gateway(&form).await;
        assert!(verifies(&visitor, issued["access_token"].as_str().unwrap()).await, "{name}");
        assert!(verifies(&visitor, &visitor.server.token_for(API).build()).await, "{name}");
        assert!(!verifies(&visitor, &visitor.server.token_for(API).with_garbage_signature().build()).await);
    }
}

#[tokio::test]
async fn after_a_rotation_old_and_new_tokens_verify_until_the_old_key_is_withdrawn() {
    let visitor = visitor().await;
    let keys = visitor.server.keys();
    let (first, old) = (keys.current(), visitor.server.token_for(API).build());
    let announced = keys.announce(Algorithm::Es256);
    assert_eq!(keys.current().kid(), first.kid(), "what is announced does not sign yet");
    let second = keys.rotate(Algorithm::Rs256);
    let new = visitor.server.token_for(API).build();
    assert!(verifies(&visitor, &old).await && verifies(&visitor, &new).await);
    keys.withdraw(first.kid());
    assert!(!verifies(&visitor, &old).await && verifies(&visitor, &new).await);
    keys.withdraw(announced.kid());
    keys.withdraw(second.kid());
    assert!(verifies(&visitor, &new).await, "the last key stays");
}

#[tokio::test]
async fn keys_are_rotated_and_withdrawn_over_http_as_well() {
    let visitor = visitor().await;
    let first = visitor.server.keys().current().kid().to_owned();
    let post = async |path: &str, body: Value| {
        let request = visitor.http.post(format!("{}{path}", visitor.server.origin()));
        request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap()
    };
    assert_eq!(post("/_testbed/keys/rotate", json!({"algorithm": "EdDSA"})).await.status(), 200);
    assert_eq!(visitor.server.keys().current().algorithm(), Algorithm::EdDsa);
    assert_eq!(post("/_testbed/keys/withdraw", json!({"kid": first})).await.status(), 204);
    assert!(visitor.server.keys().find(&first).is_none());
    let minted = post("/_testbed/mint", json!({"audience": API, "claims": {"sub": "bob"}})).await;
    let minted: Value = serde_json::from_slice(&minted.bytes().await.unwrap()).unwrap();
    assert!(verifies(&visitor, minted["access_token"].as_str().unwrap()).await);
}

#[tokio::test]
async fn a_server_that_restarts_with_its_keys_and_address_is_the_same_issuer() {
    let visitor = visitor().await;
    let token = visitor.server.token_for(API).build();
    let (issuer, address, keys) =
        (visitor.server.issuer(), visitor.server.address(), visitor.server.keys().clone());
    let Visitor { server, clock, http } = visitor;
    server.stop().await;
    let server = AuthorizationServer::builder().address(address).keys(keys).start().await.unwrap();
    assert_eq!(server.issuer(), issuer);
    assert!(verifies(&Visitor { server, clock, http }, &token).await);
}
