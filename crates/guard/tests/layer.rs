//! The guard as a layer of an axum server.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::routing::any;
use axum::{Extension, Router};
use bearward_guard::layer::LayerError;
use bearward_guard::{Guard, GuardSettings, Mode, Policy, Preset, Rate, RequireBearer, Rule};
use bearward_observe::Observer;
use bearward_testbed::AuthorizationServer;
use bearward_testbed::served::Served;
use bearward_token::{Clock, Principal, SystemClock};
use http::{HeaderMap, Request, Response};
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
        let router = Router::new().fallback(any(whoami)).layer(RequireBearer::new(guard).unwrap());
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

/// A guard of these settings, whose issuer nobody needs.
fn guard_with(bend: impl FnOnce(&mut GuardSettings)) -> Guard {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let plain =
        Guard::builder("https://mcp.example.com/mcp").issuer("https://idp.example.com").build().unwrap();
    let mut settings = plain.settings().clone();
    bend(&mut settings);
    Guard::new(settings, Vec::new(), clock, Observer::new())
}

#[tokio::test]
async fn a_layer_is_not_made_of_what_it_could_not_keep() {
    let rule =
        Rule { methods: Vec::new(), names: Vec::new(), scopes: "x".parse().unwrap(), roles: Vec::new() };
    let with_rules = guard_with(|settings| settings.policy = Policy::new(vec![rule]));
    assert_eq!(RequireBearer::new(with_rules).unwrap_err(), LayerError::Rules);
    let rate = Rate::new(std::num::NonZeroU32::new(2).unwrap(), std::time::Duration::from_secs(60));
    let limited = || guard_with(|settings| settings.limits.failures_per_address = Some(rate));
    assert_eq!(RequireBearer::new(limited()).unwrap_err(), LayerError::Addresses);

    // With addresses they are kept.
    let layer =
        RequireBearer::with_addresses(limited(), |extensions| extensions.get::<IpAddr>().copied()).unwrap();
    let service = tower::service_fn(|_| async { Ok::<_, Infallible>(Response::new("reached".to_owned())) });
    let service = tower::Layer::layer(&layer, service);
    let present = |address: [u8; 4]| {
        let mut request = Request::post("/mcp").header("authorization", "Bearer garbage").body(()).unwrap();
        request.extensions_mut().insert(IpAddr::from(address));
        tower::ServiceExt::oneshot(service.clone(), request)
    };
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(present([192, 0, 2, 1]).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 429]);
    let refused = present([192, 0, 2, 1]).await.unwrap();
    assert!(refused.headers().contains_key("ratelimit") && refused.headers().contains_key("retry-after"));
    assert_eq!(present([192, 0, 2, 9]).await.unwrap().status(), 401, "another address");
}

#[tokio::test]
async fn a_guard_that_is_off_lets_everything_through_as_it_is() {
    let layer = RequireBearer::new(guard_with(|settings| settings.mode = Mode::Off)).unwrap();
    let echo = tower::service_fn(|request: Request<()>| async move {
        let shown = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        Ok::<_, Infallible>(Response::new(shown.unwrap_or_default()))
    });
    let request = Request::post("/mcp").header("authorization", "Bearer x").body(()).unwrap();
    let answer = tower::ServiceExt::oneshot(tower::Layer::layer(&layer, echo), request).await.unwrap();
    assert_eq!(answer.into_body(), "Bearer x");
}
