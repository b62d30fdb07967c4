//! The guard as a layer of an axum server.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use axum::routing::any;
use axum::{Extension, Router};
use bearward_guard::{Guard, Preset, RequireBearer};
use bearward_testbed::AuthorizationServer;
use bearward_testbed::served::Served;
use bearward_token::Principal;
use http::HeaderMap;
use serde_json::Value;

struct Scene {
    issuer: AuthorizationServer,
    resource: String,
    _served: Served,
    http: reqwest::Client,
}

impl Scene {
    async fn new() -> Self {
        let issuer = AuthorizationServer::builder().start().await.unwrap();
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let resource = format!("http://{address}/mcp");
        let guard =
            Guard::builder(&resource).issuer_of(&issuer.issuer(), Preset::Oidc).scope("mcp").build().unwrap();
        let whoami = |Extension(caller): Extension<Arc<Principal>>, headers: HeaderMap| async move {
            format!("{} {}", caller.subject, headers.contains_key("authorization"))
        };
        let router = Router::new().fallback(any(whoami)).layer(RequireBearer::new(guard));
        let served = Served::start(address, router).await.unwrap();
        Self {
            issuer,
            resource,
            _served: served,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    async fn post(&self, token: Option<&str>) -> (u16, HeaderMap, String) {
        let request = self.http.post(&self.resource).body("{}");
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn a_handler_finds_who_calls_and_never_the_token() {
    let scene = Scene::new().await;
    let token = scene.issuer.token_for(&scene.resource).scope("mcp").build();
    let (status, _, body) = scene.post(Some(&token)).await;
    assert_eq!((status, body.as_str()), (200, "alice false"));
}

#[tokio::test]
async fn without_a_good_token_nothing_reaches_the_handler_and_the_challenge_says_what_is_wanted() {
    let scene = Scene::new().await;
    let other = scene.issuer.token_for("https://other.example").scope("mcp").build();
    let unscoped = scene.issuer.token_for(&scene.resource).build();
    for (token, expected, error) in [
        (None, 401, None),
        (Some("garbage"), 401, Some("invalid_token")),
        (Some(other.as_str()), 401, Some("invalid_token")),
        (Some(unscoped.as_str()), 403, Some("insufficient_scope")),
    ] {
        let (status, headers, body) = scene.post(token).await;
        assert_eq!(status, expected, "{token:?}");
        let challenge = headers["www-authenticate"].to_str().unwrap();
        assert!(
            challenge.contains("resource_metadata=") && challenge.contains("scope=\"mcp\""),
            "{challenge}"
        );
        assert_eq!(challenge.contains("error="), error.is_some(), "{challenge}");
        assert!(error.is_none_or(|error| challenge.contains(error)), "{challenge}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&body["jsonrpc"], &headers["cache-control"]),
            (&"2.0".into(), &"no-store".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn the_metadata_is_served_to_everybody_and_only_read() {
    let scene = Scene::new().await;
    let origin = scene.resource.strip_suffix("/mcp").unwrap();
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let answer = scene.http.get(format!("{origin}{path}")).send().await.unwrap();
        let document: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(document["resource"], scene.resource.as_str());
        assert_eq!(document["authorization_servers"][0], scene.issuer.issuer());
        assert_eq!(scene.http.post(format!("{origin}{path}")).send().await.unwrap().status(), 405);
    }
}

#[tokio::test]
async fn a_guard_that_could_let_nobody_in_or_anybody_is_an_error() {
    assert!(Guard::builder("https://mcp.example.com/mcp").build().is_err());
    assert!(Guard::builder("nonsense").issuer("https://idp.example.com").build().is_err());
    assert!(Guard::builder("https://mcp.example.com/mcp").issuer("http://idp.example.com").build().is_err());
    assert!(
        Guard::builder("https://mcp.example.com/mcp")
            .issuer("https://idp.example.com")
            .scope("two words")
            .build()
            .is_err()
    );
}
