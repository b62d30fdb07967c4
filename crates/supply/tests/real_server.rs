//! Client credentials from a real authorization server over HTTP, on its good days and its bad ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use bearward_issuer::{ClientAuth, Discovery, FixedCredential, HttpFetch, KnownMetadata};
use bearward_observe::Observer;
use bearward_supply::{ClientCredentials, Failure, Grant, TokenManager, Wanted};
use bearward_testbed::AuthorizationServer;
use bearward_testbed::authorization_server::{Client, ClientAuth as Registered, Fault, Place, TokenShape};
use bearward_token::{ClientSecret, Clock, SystemClock};

const API: &str = "https://api.example.com/v1";
const SECRET: &str = "a+b &c=%:d";

async fn server() -> AuthorizationServer {
    AuthorizationServer::builder()
        .issuer_path("/realms/acme")
        .client(Client::new("basic: client", Registered::SecretBasic(SECRET.into())).audiences(&[API]))
        .client(Client::new("post", Registered::SecretPost(SECRET.into())))
        .start()
        .await
        .unwrap()
}

fn client(server: &AuthorizationServer, id: &str, auth: ClientAuth) -> ClientCredentials {
    let fetch = Arc::new(HttpFetch::with_timeout(Duration::from_millis(500)).unwrap());
    let clock = Arc::new(SystemClock::new());
    let discovery = Discovery::new(fetch.clone(), clock.clone());
    ClientCredentials {
        metadata: KnownMetadata::new(server.issuer().parse().unwrap(), discovery, clock.clone()),
        token_endpoint: None,
        client: id.into(),
        auth,
        credential: Arc::new(FixedCredential(ClientSecret::new(SECRET))),
        audience: None,
        resource: Some(API.into()),
        scopes: "read write".split(' ').map(|scope| scope.parse().unwrap()).collect(),
        fetch,
        clock,
    }
}

fn basic(server: &AuthorizationServer) -> ClientCredentials {
    client(server, "basic: client", ClientAuth::SecretBasic)
}

// SPEC CL-1, CL-3, CL-9
#[tokio::test]
async fn each_client_authentication_gets_a_token_for_the_resource_by_discovery() {
    let server = server().await;
    for client in [basic(&server), client(&server, "post", ClientAuth::SecretPost)] {
        let granted = client.request().await.unwrap();
        assert_eq!(granted.lifetime, Duration::from_secs(3600));
        let claims: serde_json::Value =
            jsonwebtoken::dangerous::insecure_decode_claims(granted.access_token.expose()).unwrap();
        assert_eq!((&claims["aud"], &claims["scope"]), (&API.into(), &"read write".into()));
    }
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_told_by_its_code() {
    let server = server().await;
    let wrong_auth = client(&server, "post", ClientAuth::SecretBasic);
    let unknown = client(&server, "nobody", ClientAuth::SecretBasic);
    let wrong_secret = ClientCredentials {
        credential: Arc::new(FixedCredential(ClientSecret::new("wrong"))),
        ..basic(&server)
    };
    let wrong_resource = ClientCredentials { resource: Some("https://other".into()), ..basic(&server) };
    for (client, expected) in [
        (wrong_auth, "invalid_client"),
        (unknown, "invalid_client"),
        (wrong_secret, "invalid_client"),
        (wrong_resource, "invalid_target"),
    ] {
        match client.request().await {
            Err(Failure::Refused { code, .. }) => assert_eq!(code, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn each_bad_day_is_a_passing_failure_of_its_own_kind_and_the_next_day_is_good() {
    let server = server().await;
    let status = |status, retry_after: Option<&str>| Fault::Status {
        status,
        body: "{}".into(),
        retry_after: retry_after.map(str::to_owned),
    };
    let body = |body: &str| Fault::Body { body: body.into() };
    for (place, fault, outcome) in [
        (Place::Token, Fault::Latency { ms: 5000 }, "timeout"),
        (Place::Token, Fault::Reset, "unreachable"),
        (Place::Token, Fault::HalfSent, "unreachable"),
        (Place::Token, status(503, Some("7")), "unavailable"),
        (Place::Token, status(429, Some("7")), "rate_limited"),
        (Place::Token, body("<html>maintenance</html>"), "bad_response"),
        (Place::Token, body(r#"{"access_token": "x"#), "bad_response"),
        (Place::Token, body(r#"{"access_token": "x", "token_type": "DPoP"}"#), "bad_response"),
        (Place::Token, body(""), "bad_response"),
        (Place::Metadata, Fault::Reset, "discovery"),
        (Place::Metadata, status(500, None), "discovery"),
    ] {
        // Every address of the metadata, since discovery goes on to the next one.
        server.faults().always(place, fault.clone());
        let client = basic(&server);
        let failure = client.request().await.unwrap_err();
        assert_eq!(failure.outcome(), outcome, "{fault:?}: {failure}");
        assert!(failure.is_passing(), "{fault:?}: {failure}");
        let pause = matches!(outcome, "unavailable" | "rate_limited").then_some(Duration::from_secs(7));
        assert_eq!(failure.asked_pause(), pause, "{fault:?}");
        server.faults().clear();
        assert!(client.request().await.is_ok(), "after {fault:?}");
    }
}

#[tokio::test]
async fn an_issuer_that_names_another_in_its_metadata_gets_no_secret() {
    let server = server().await;
    let other =
        format!(r#"{{"issuer": "https://other.example", "token_endpoint": "{}"}}"#, server.token_endpoint());
    server.faults().always(Place::Metadata, Fault::Body { body: other });
    let failure = basic(&server).request().await.unwrap_err();
    assert_eq!((failure.outcome(), failure.is_passing()), ("discovery", false), "{failure}");
    assert_eq!(server.counts().snapshot().at(Place::Token), 0);
}

#[tokio::test]
async fn metadata_that_is_down_does_not_keep_a_known_server_from_issuing() {
    let server = server().await;
    let client = basic(&server);
    assert!(client.request().await.is_ok());
    server.faults().always(Place::Metadata, Fault::Reset);
    server.faults().next(Place::Token, 1, Fault::Reset);
    assert_eq!(client.request().await.unwrap_err().outcome(), "unreachable");
    assert!(client.request().await.is_ok());
}

// HARD 9
#[tokio::test]
async fn odd_lifetimes_of_a_real_response_become_sound_ones() {
    let server = server().await;
    let client = basic(&server);
    for (stated, seconds) in [
        (serde_json::json!("60"), 60..=60),
        (serde_json::json!(90.9), 90..=90),
        // The token itself says an hour.
        (serde_json::json!(-5), 3590..=3600),
        (serde_json::json!("soon"), 3590..=3600),
    ] {
        let shape = TokenShape { expires_in: Some(stated.clone()), ..TokenShape::default() };
        server.faults().shape_tokens(shape);
        let lifetime = client.request().await.unwrap().lifetime.as_secs();
        assert!(seconds.contains(&lifetime), "{stated}: {lifetime}");
    }
}

// HARD 1
#[tokio::test]
async fn many_callers_cost_one_request_although_the_first_answer_is_broken() {
    let server = server().await;
    server.faults().next(Place::Token, 1, Fault::HalfSent);
    let clock = Arc::new(SystemClock::new());
    let manager = TokenManager::new(clock.clone(), Observer::new(), 1);
    let grant = basic(&server);
    let handle = manager.handle("api", &grant.key(), Arc::new(grant));
    let callers = (0..200).map(|_| {
        let (handle, clock) = (handle.clone(), clock.clone());
        tokio::spawn(async move {
            let supplied = handle.ensure_access(&Wanted::default()).await.unwrap();
            supplied.authorization(&*clock as &dyn Clock).unwrap()
        })
    });
    let mut tokens = std::collections::HashSet::new();
    for caller in callers.collect::<Vec<_>>() {
        tokens.insert(caller.await.unwrap());
    }
    assert_eq!(tokens.len(), 1);
    assert_eq!(server.counts().snapshot().at(Place::Token), 2, "the broken one and the good one");
}
