//! A guard for opaque tokens: its issuer is asked, with both kinds of tokens on one guard.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use axum::routing::{get, post};
use axum::{Json, Router};
use bearward_testbed::authorization_server::{
    AuthorizationServer, Client, ClientAuth, Fault, Place, TokenFormat,
};
use bearward_testbed::client::{Era, McpClient};
use bearward_testbed::served::Served;
use bearward_testbed::{Algorithm, SigningKey, TokenBuilder};
use bearward_tests::stage::{Plan, Stage};
use serde_json::{Value, json};

/// Gives out opaque tokens; `guard` may ask about them.
async fn opaque_issuer() -> AuthorizationServer {
    AuthorizationServer::builder()
        .token_format(TokenFormat::Opaque)
        .client(Client::new("inspector", ClientAuth::SecretPost("s".into())))
        .client(Client::new("guard", ClientAuth::SecretBasic("client-secret-value".into())))
        .start()
        .await
        .unwrap()
}

/// Both kinds of tokens on one guard: JWTs of the stage's issuer, opaque ones of `issuer`.
async fn stage(issuer: &AuthorizationServer) -> Stage {
    let entry = format!(
        "  - resource: ORIGIN/both
    upstream: {{url: 'MCP'}}
    issuers:
      - {{issuer: 'ISSUER', audience: ['ORIGIN/both']}}
      - {{issuer: '{}', introspection: {{clientId: guard, clientSecret: {{env: CLIENT_SECRET}}}}}}",
        issuer.issuer()
    );
    Stage::with(Plan { guard: entry, ..Plan::default() }).await
}

fn both(stage: &Stage) -> String {
    stage.resource.replace("/mcp", "/both")
}

async fn token(stage: &Stage, issuer: &AuthorizationServer, audience: &str) -> String {
    let form =
        format!("grant_type=client_credentials&client_id=inspector&client_secret=s&resource={audience}");
    let request = stage.http.post(issuer.token_endpoint()).body(form);
    let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn status(stage: &Stage, token: &str) -> u16 {
    let request = stage.http.post(both(stage)).bearer_auth(token).body(bearward_tests::stage::INIT);
    let request = request.header("content-type", "application/json");
    request.header("accept", "application/json, text/event-stream").send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn opaque_tokens_and_jwts_open_one_guard_and_a_jwt_is_never_sent_to_the_other_issuer() {
    let issuer = opaque_issuer().await;
    let stage = stage(&issuer).await;
    let opaque = token(&stage, &issuer, &both(&stage)).await;
    let jwt = stage.issuer.token_for(&both(&stage)).build();
    for token in [&opaque, &jwt] {
        let client = McpClient::connect(&both(&stage), Some(token), Era::Stateless).await.unwrap();
        assert!(client.tools().await.unwrap().contains(&"echo".to_owned()));
        client.close().await;
    }
    assert_eq!(issuer.counts().snapshot().at(Place::Introspection), 1, "remembered for a while");
    for bad in [
        stage.issuer.token_for("https://other.example").build(),
        stage.issuer.token_for(&both(&stage)).claim("iss", issuer.issuer()).build(),
        stage.issuer.token_for(&both(&stage)).with_garbage_signature().build(),
    ] {
        assert_eq!(status(&stage, &bad).await, 401);
    }
    assert_eq!(issuer.counts().snapshot().at(Place::Introspection), 1, "no JWT was asked about");
}

#[tokio::test]
async fn a_token_for_another_audience_or_of_nobody_is_refused() {
    let issuer = opaque_issuer().await;
    let stage = stage(&issuer).await;
    let other = token(&stage, &issuer, "https://other.example").await;
    let revoked = token(&stage, &issuer, &both(&stage)).await;
    let form = format!("client_id=inspector&client_secret=s&token={revoked}");
    let revoke = stage.http.post(format!("{}/revoke", issuer.issuer())).body(form);
    revoke.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    for bad in [other.as_str(), "garbage", "opaque_made-up", &revoked] {
        assert_eq!(status(&stage, bad).await, 401, "{bad}");
    }
    // HARD 21
    let asked = issuer.counts().snapshot().at(Place::Introspection);
    for _ in 0..5 {
        assert_eq!(status(&stage, "garbage").await, 401);
    }
    assert_eq!(issuer.counts().snapshot().at(Place::Introspection), asked);
}

#[tokio::test]
async fn with_the_issuer_down_known_tokens_pass_and_others_are_told_to_come_back() {
    let issuer = opaque_issuer().await;
    let stage = stage(&issuer).await;
    let known = token(&stage, &issuer, &both(&stage)).await;
    let unknown = token(&stage, &issuer, &both(&stage)).await;
    assert_eq!(status(&stage, &known).await, 200);
    issuer.faults().always(Place::Introspection, Fault::Reset);
    assert_eq!(status(&stage, &known).await, 200);
    assert_eq!(status(&stage, &unknown).await, 503, "neither let in nor sent to log in");
    let (_, ready) = stage.ready().await;
    assert!(ready.contains("cannot be asked about"), "{ready}");
    issuer.faults().clear();
    assert_eq!(status(&stage, &unknown).await, 200);
}

/// Clerk's backend API for one OAuth token and one machine's, and these keys.
async fn clerk(keys: Value) -> Served {
    let verify = |name: &'static str, answer: Value| {
        post(move |headers: http::HeaderMap, Json(body): Json<Value>| async move {
            let is_ours =
                headers.get("authorization").is_some_and(|value| value == "Bearer client-secret-value");
            let is_known = body[name].as_str().is_some_and(|token| token.ends_with("known"));
            match (is_ours, is_known) {
                (false, _) => (http::StatusCode::UNAUTHORIZED, Json(json!({}))),
                (true, false) => (http::StatusCode::NOT_FOUND, Json(json!({}))),
                (true, true) => (http::StatusCode::OK, Json(answer)),
            }
        })
    };
    let oauth = json!({"id": "oat_1", "client_id": "client_1", "subject": "user_1", "scopes": ["mcp"], "revoked": false, "expired": false, "expiration": null});
    let machine = json!({"id": "mt_1", "subject": "mch_1", "scopes": [], "claims": {"client_id": "client_2"}, "revoked": false, "expired": false, "expiration": null});
    let keys = get(move |headers: http::HeaderMap| {
        let keys = keys.clone();
        async move {
            match headers.get("authorization").is_some_and(|value| value == "Bearer client-secret-value") {
                true => (http::StatusCode::OK, Json(keys)),
                false => (http::StatusCode::UNAUTHORIZED, Json(json!({}))),
            }
        }
    });
    let router = Router::new()
        .route("/v1/jwks", keys)
        .route("/v1/oauth_applications/access_tokens/verify", verify("access_token", oauth))
        .route("/v1/m2m_tokens/verify", verify("token", machine));
    Served::start("127.0.0.1:0".parse().unwrap(), router).await.unwrap()
}

#[tokio::test]
async fn clerks_opaque_tokens_are_verified_by_its_backend_api_for_the_named_clients_alone() {
    let clerk = clerk(json!({})).await;
    let entry = format!(
        "  - resource: ORIGIN/both
    upstream: {{url: 'MCP'}}
    issuers:
      - {{issuer: 'ISSUER', preset: clerk, secretKey: {{env: CLIENT_SECRET}}, backendApi: 'http://{}/v1',
          authorizedParties: [client_1]}}",
        clerk.address()
    );
    let stage = Stage::with(Plan { guard: entry, ..Plan::default() }).await;
    for (token, expected) in [("oat_known", 200), ("oat_made-up", 401), ("mt_known", 401), ("xyz", 401)] {
        assert_eq!(status(&stage, token).await, expected, "{token}");
    }
}

#[tokio::test]
async fn clerks_keys_are_read_from_its_backend_api_with_the_secret_key() {
    let key = SigningKey::generate_as(Algorithm::Rs256, "ins_1");
    let clerk = clerk(json!({"keys": [key.public_jwk()]})).await;
    let entry = format!(
        "  - resource: ORIGIN/both
    upstream: {{url: 'MCP'}}
    issuers:
      - {{issuer: 'https://clerk.example.com', preset: clerk, secretKey: {{env: CLIENT_SECRET}}, tokens: [jwt],
          backendApi: 'http://{}/v1', jwks: {{backendApi: true}}}}",
        clerk.address()
    );
    let stage = Stage::with(Plan { guard: entry, ..Plan::default() }).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let token = TokenBuilder::new("https://clerk.example.com", key.into(), now).audience(&both(&stage));
    assert_eq!(status(&stage, &token.build()).await, 200);
    let forged = token.forged_with(SigningKey::generate_as(Algorithm::Rs256, "ins_1").into());
    assert_eq!(status(&stage, &forged.build()).await, 401);
    assert_eq!(status(&stage, "oat_known").await, 401, "opaque tokens were not asked for");
}
