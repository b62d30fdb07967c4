use bearward_testbed::authorization_server::{Client, ClientAuth};
use bearward_testbed::keys::{Algorithm, SigningKey};
use bearward_testbed::mint::TokenBuilder;
use serde_json::json;
use std::sync::Arc;

use crate::visitor::{API, OTHER_API, claims, header, refused, visitor, visitor_of};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[tokio::test]
async fn a_client_with_its_secret_in_the_header_gets_a_token_for_the_resource() {
    let visitor = visitor().await;
    let (status, answer) = visitor.gateway(&[GRANT, ("resource", API), ("scope", "a b")]).await;
    assert_eq!(status, 200);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let token = claims(&answer["access_token"]);
    assert_eq!(header(&answer["access_token"])["typ"], "at+jwt");
    let said = [&token["iss"], &token["sub"], &token["client_id"], &token["aud"], &token["scope"]];
    assert_eq!(
        said,
        [&json!(visitor.server.issuer()), &json!("gateway"), &json!("gateway"), &json!(API), &json!("a b")]
    );
    assert_eq!((&token["iat"], &token["exp"]), (&json!(1_800_000_000), &json!(1_800_003_600)));
    assert_eq!(visitor.server.counts().snapshot().grant("client_credentials"), 1);
}

#[tokio::test]
async fn several_resources_are_several_audiences_and_the_older_audience_is_understood() {
    let visitor = visitor().await;
    let (_, both) = visitor.gateway(&[GRANT, ("resource", API), ("resource", OTHER_API)]).await;
    assert_eq!(claims(&both["access_token"])["aud"], json!([API, OTHER_API]));
    let (_, older) = visitor.gateway(&[GRANT, ("audience", API)]).await;
    assert_eq!(claims(&older["access_token"])["aud"], API);
}

#[tokio::test]
async fn each_wrong_proof_of_a_secret_is_refused() {
    let poster = Client::new("poster", ClientAuth::SecretPost("posted".into()));
    let visitor = visitor_of(|server| server.client(poster)).await;
    let good = visitor.token(&[GRANT, ("client_id", "poster"), ("client_secret", "posted")]).await;
    assert_eq!(good.0, 200);
    for (basic, form) in [
        (Some(("gateway", "wrong")), vec![]),
        (Some(("nobody", "a secret: +&%")), vec![]),
        // Registered for the header, sent in the form; and the other way round.
        (None, vec![("client_id", "gateway"), ("client_secret", "a secret: +&%")]),
        (Some(("poster", "posted")), vec![]),
        (None, vec![("client_id", "poster"), ("client_secret", "wrong")]),
        (None, vec![("client_id", "poster")]),
        (None, vec![]),
    ] {
        let form: Vec<_> = form.into_iter().chain([GRANT]).collect();
        refused(&visitor.post("/token", basic, &form).await, "invalid_client");
    }
}

#[tokio::test]
async fn a_client_gets_only_what_it_is_registered_for() {
    let narrow = Client::new("narrow", ClientAuth::SecretPost("s".into()))
        .grants(&["client_credentials"])
        .audiences(&[API])
        .scopes(&["read"]);
    let visitor = visitor_of(|server| server.client(narrow)).await;
    let own = [("client_id", "narrow"), ("client_secret", "s")];
    let ask = async |more: &[(&str, &str)]| visitor.token(&[&own, more].concat()).await;
    assert_eq!(ask(&[GRANT, ("resource", API), ("scope", "read")]).await.0, 200);
    refused(&ask(&[GRANT, ("resource", OTHER_API)]).await, "invalid_target");
    refused(&ask(&[GRANT, ("scope", "read write")]).await, "invalid_scope");
    refused(&ask(&[("grant_type", "refresh_token"), ("refresh_token", "x")]).await, "unauthorized_client");
    refused(&visitor.gateway(&[("grant_type", "password")]).await, "unsupported_grant_type");
    refused(&visitor.gateway(&[]).await, "invalid_request");
    refused(&visitor.gateway(&[GRANT, ("scope", "a"), ("scope", "b")]).await, "invalid_request");
    refused(&visitor.token(&[GRANT, ("client_id", "app")]).await, "unauthorized_client");
}

// RFC 7523 §3
#[tokio::test]
async fn a_signed_assertion_proves_a_client_once_and_each_bent_one_does_not() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let key = Arc::new(SigningKey::generate(algorithm));
        let signer = Client::new("signer", ClientAuth::PrivateKeyJwt(key.public_jwk()));
        let visitor = visitor_of(|server| server.client(signer)).await;
        let good = || {
            TokenBuilder::new("signer", key.clone(), 1_800_000_000)
                .subject("signer")
                .audience(&visitor.server.token_endpoint())
                .claim("exp", 1_800_000_060)
        };
        let send = async |assertion: &str, kind: &str| {
            let form = [GRANT, ("client_assertion_type", kind), ("client_assertion", assertion)];
            visitor.token(&form).await
        };
        let used = good().build();
        assert_eq!(send(&used, ASSERTION_TYPE).await.0, 200, "{algorithm:?}");
        let stranger = Arc::new(SigningKey::generate(algorithm));
        for (wrong, kind) in [
            (used, ASSERTION_TYPE),
            (good().build(), "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
            (good().forged_with(stranger).build(), ASSERTION_TYPE),
            (good().unsigned().build(), ASSERTION_TYPE),
            (good().signed_with_public_key_as_secret().build(), ASSERTION_TYPE),
            (good().audience("https://elsewhere.example").build(), ASSERTION_TYPE),
            (good().subject("gateway").build(), ASSERTION_TYPE),
            (good().claim("exp", 1_800_000_000).build(), ASSERTION_TYPE),
            (good().claim("exp", 1_800_009_000).build(), ASSERTION_TYPE),
            (good().without("jti").build(), ASSERTION_TYPE),
            ("garbage".into(), ASSERTION_TYPE),
        ] {
            refused(&send(&wrong, kind).await, "invalid_client");
        }
    }
}
