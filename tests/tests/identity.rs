//! Who is calling, as a server behind learns it: by headers, and by an assertion that anybody can verify.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use bearward_tests::stage::{Plan, Stage};
use http::{HeaderMap, StatusCode};
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

const IDENTITY: &str =
    "    identity: {headers: {X-User-Id: sub, X-Tenant: org_id, X-Roles: /realm/roles}, assertion: true}
    metadata: {name: {default: Notes, de: Notizen}, policy: 'https://example.com/policy', signed: true}";

async fn stage() -> Stage {
    Stage::with(Plan { guard: IDENTITY.into(), ..Plan::default() }).await
}

fn origin(stage: &Stage) -> &str {
    stage.resource.strip_suffix("/mcp").unwrap()
}

/// What the server behind got of a request with these headers.
async fn received(stage: &Stage, token: &str, headers: &[(&str, &str)]) -> HeaderMap {
    let request =
        headers.iter().fold(stage.post(token), |request, (name, value)| request.header(*name, *value));
    assert_eq!(request.send().await.unwrap().status(), 200);
    stage.mcp.received().last().unwrap().clone()
}

async fn jwks(stage: &Stage) -> JwkSet {
    let answer = stage.http.get(format!("{}/.well-known/jwks.json", origin(stage))).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/jwk-set+json");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// Verifies as any program would: the key by its id out of the published set.
fn verified(jwt: &str, keys: &JwkSet, audience: Option<&str>) -> jsonwebtoken::errors::Result<Value> {
    let jwk = keys.find(&decode_header(jwt)?.kid.unwrap()).expect("the key is published");
    assert!(matches!(jwk.algorithm, AlgorithmParameters::OctetKeyPair(_)));
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.leeway = 0;
    match audience {
        Some(audience) => rules.set_audience(&[audience]),
        None => {
            rules.validate_aud = false;
            rules.required_spec_claims.clear();
            rules.validate_exp = false;
        }
    }
    decode::<Value>(jwt, &DecodingKey::from_jwk(jwk)?, &rules).map(|token| token.claims)
}

// HARD 27
#[tokio::test]
async fn the_server_behind_learns_verified_claims_and_nothing_that_the_caller_says_of_itself() {
    let stage = stage().await;
    let spellings = [
        ("X-User-Id", "root"),
        ("x-user-id", "root"),
        ("X_User_Id", "root"),
        ("x.user.id", "root"),
        ("x_user-id", "root"),
        ("X-TENANT", "evil"),
        ("X-Roles", "admin"),
        ("X-Bearward-Identity", "eyJ.evil.x"),
        ("x_bearward_identity", "eyJ.evil.x"),
        ("X.Bearward.Identity", "eyJ.evil.x"),
        ("Connection", "x-user-id, x-bearward-identity"),
    ];
    let token = stage.issuer.token_for(&stage.resource).subject("zoë, 7");
    let token = token.claim("org_id", "acme").claim("realm", json!({"roles": ["dev", "ops"]})).build();
    let headers = received(&stage, &token, &spellings).await;
    assert_eq!(headers["x-user-id"], "zo%C3%AB%2C 7");
    assert_eq!(headers["x-tenant"], "acme");
    assert_eq!(headers["x-roles"], "dev,ops");
    for (name, value) in &headers {
        assert!(!value.as_bytes().windows(4).any(|part| part == b"root" || part == b"evil"), "{name}");
        assert!(!name.as_str().contains(['_', '.']), "{name}");
    }
    for name in ["x-user-id", "x-tenant", "x-roles", "x-bearward-identity"] {
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
    }
}

// HARD 28
#[tokio::test]
async fn without_a_tenant_in_the_token_there_is_no_tenant_whatever_the_caller_sets() {
    let stage = stage().await;
    let evil = [("X-Tenant", "evil"), ("x_tenant", "evil"), ("X-TB-Tenant-ID", "evil"), ("X-Org-Id", "evil")];
    let headers = received(&stage, &stage.token(), &evil).await;
    assert!(!headers.contains_key("x-tenant") && !headers.contains_key("x_tenant"));
    let jwt = headers["x-bearward-identity"].to_str().unwrap().to_owned();
    let claims = verified(&jwt, &jwks(&stage).await, Some(&stage.mcp.url())).unwrap();
    assert!(claims.get("tenant").is_none(), "{claims}");
}

#[tokio::test]
async fn the_assertion_is_verified_with_the_published_keys_for_its_audience_alone_and_dies_within_a_minute() {
    let stage = stage().await;
    let token = stage.issuer.token_for(&stage.resource).subject("alice").claim("org_id", "acme").build();
    let headers = received(&stage, &token, &[]).await;
    let jwt = headers["x-bearward-identity"].to_str().unwrap().to_owned();
    let keys = jwks(&stage).await;
    let claims = verified(&jwt, &keys, Some(&stage.mcp.url())).unwrap();
    assert_eq!((&claims["sub"], &claims["tenant"]), (&json!("alice"), &json!("acme")));
    assert_eq!((&claims["iss"], &claims["idp"]), (&json!(origin(&stage)), &json!(stage.issuer.issuer())));
    let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(lifetime, 60);
    assert!(verified(&jwt, &keys, Some("https://other.example.com")).is_err(), "for nobody else");
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let flipped: String = signature.chars().rev().collect();
    assert!(verified(&format!("{signed}.{flipped}"), &keys, Some(&stage.mcp.url())).is_err());
    assert!(!jwt.contains(&token));
    // It opens no guard: not this one either.
    assert_eq!(stage.post(&jwt).send().await.unwrap().status(), 401);
}

// HARD 15
#[tokio::test]
async fn a_second_attempt_with_a_new_token_carries_an_assertion_of_its_own() {
    let upstream = Some("url: 'NOTES/echo', provider: notes-api".to_owned());
    let stage = Stage::with(Plan { guard: IDENTITY.into(), upstream, ..Plan::default() }).await;
    stage.notes.refuse_next(1, StatusCode::UNAUTHORIZED);
    assert_eq!(stage.post(&stage.token()).send().await.unwrap().status(), 200);
    let keys = jwks(&stage).await;
    let assertions = stage.notes.assertions();
    let ids = assertions.iter().map(|jwt| verified(jwt, &keys, None).unwrap()["jti"].clone());
    let [refused, taken] = &ids.collect::<Vec<_>>()[..] else { panic!("{} came", assertions.len()) };
    assert_ne!(refused, taken, "a server may take each assertion once");
}

// SPEC RS-1
#[tokio::test]
async fn signed_metadata_says_what_the_plain_document_says() {
    let stage = stage().await;
    let url = format!("{}/.well-known/oauth-protected-resource/mcp", origin(&stage));
    let preflight = stage.http.request(http::Method::OPTIONS, &url).send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    let answer = stage.http.get(&url).send().await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let mut document: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(document["resource_name#de"], "Notizen");
    assert_eq!(document["resource_policy_uri"], "https://example.com/policy");
    assert_eq!(document["jwks_uri"], format!("{}/.well-known/jwks.json", origin(&stage)));
    let signed = document.as_object_mut().unwrap().remove("signed_metadata").unwrap();
    let mut claims = verified(signed.as_str().unwrap(), &jwks(&stage).await, None).unwrap();
    let claims = claims.as_object_mut().unwrap();
    assert_eq!(claims.remove("iss").unwrap(), stage.resource);
    assert!(claims.remove("iat").unwrap().is_u64());
    assert_eq!(document, Value::Object(claims.clone()));
    // It is nobody's access token.
    assert_eq!(stage.post(signed.as_str().unwrap()).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_server_that_signs_nothing_has_no_keys() {
    let stage = Stage::new().await;
    let answer = stage.http.get(format!("{}/.well-known/jwks.json", origin(&stage))).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    let headers = received(&stage, &stage.token(), &[]).await;
    assert!(!headers.contains_key("x-bearward-identity"));
}
