//! Client credentials from a real authorization server over HTTP, on its good days and its bad ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use bearward_issuer::{
    ClientAuth, Credential, Discovery, FixedCredential, HttpFetch, KnownMetadata, OauthClient, Reading,
};
use bearward_observe::Observer;
use bearward_supply::{ClientCredentials, Failure, Grant, TokenManager, TokenRequest, Wanted};
use bearward_testbed::AuthorizationServer;
use bearward_testbed::authorization_server::{Client, ClientAuth as Registered, Fault, Place, TokenShape};
use bearward_token::{ClientSecret, Clock, Fingerprint, JwsKey, SystemClock};

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
    client_with(server, id, auth, SECRET)
}

fn client_with(server: &AuthorizationServer, id: &str, auth: ClientAuth, secret: &str) -> ClientCredentials {
    ClientCredentials::new(request_with(server, id, auth, secret))
}

fn request_with(server: &AuthorizationServer, id: &str, auth: ClientAuth, secret: &str) -> TokenRequest {
    let fetch = Arc::new(HttpFetch::with_timeout(Duration::from_millis(500)).unwrap());
    let clock = Arc::new(SystemClock::new());
    let discovery = Discovery::new(fetch.clone(), clock.clone());
    let credential = Arc::new(FixedCredential(ClientSecret::new(secret)));
    TokenRequest {
        metadata: KnownMetadata::new(server.issuer().parse().unwrap(), discovery, clock.clone()),
        token_endpoint: None,
        client: OauthClient::new(id, auth, credential, fetch, clock),
        audience: None,
        resource: Some(API.into()),
        scopes: "read write".split(' ').map(|scope| scope.parse().unwrap()).collect(),
        extra: Vec::new(),
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

/// An Ed25519 key in PEM, and its public half.
fn key_pair(name: &str) -> (String, serde_json::Value) {
    let seed = bearward_token::Fingerprint::of(name);
    let der = [hex::decode("302e020100300506032b657004220420").unwrap(), seed.as_bytes().to_vec()].concat();
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let public = JwsKey::from_pem(pem.as_bytes()).unwrap().public_jwk();
    (pem, public)
}

// SPEC CL-9
#[tokio::test]
async fn a_client_with_a_key_signs_for_the_issuer_or_for_whom_an_older_server_wants() {
    let (pem, public) = key_pair("one");
    let (stranger, _) = key_pair("two");
    let server = AuthorizationServer::builder()
        .client(Client::new("signer", Registered::PrivateKeyJwt(public)).audiences(&[API]))
        .start()
        .await
        .unwrap();
    let with = |pem: &str| client_with(&server, "signer", ClientAuth::PrivateKeyJwt, pem);
    let to = |audience: &str| {
        let request = request_with(&server, "signer", ClientAuth::PrivateKeyJwt, &pem);
        let client = request.client.asserting_to(Some(audience.into()));
        ClientCredentials::new(TokenRequest { client, ..request })
    };
    assert!(with(&pem).request().await.is_ok());
    assert!(to(&server.token_endpoint()).request().await.is_ok());
    for wrong in [to("https://other.example"), with(&stranger)] {
        assert_eq!(wrong.request().await.unwrap_err().outcome(), "refused");
    }
    assert_eq!(with("no key").request().await.unwrap_err().outcome(), "credential");
}

/// A credential that somebody changes.
#[derive(Debug)]
struct Changing(std::sync::Mutex<String>);

impl bearward_issuer::CredentialSource for Changing {
    fn current(&self) -> Reading<'_> {
        let secret = ClientSecret::new(self.0.lock().unwrap().clone());
        Box::pin(std::future::ready(Ok(Credential { secret })))
    }

    fn version(&self) -> Option<Fingerprint> {
        Some(Fingerprint::of(&self.0.lock().unwrap()))
    }
}

// HARD 7
#[tokio::test]
async fn a_key_that_is_changed_is_used_at_once_and_told_of_when_it_has_worked() {
    let (pem, public) = key_pair("first");
    let (next, next_public) = key_pair("next");
    let builder = |public| {
        AuthorizationServer::builder().client(Client::new("signer", Registered::PrivateKeyJwt(public)))
    };
    let server = builder(public).start().await.unwrap();
    let address = server.address();
    let changing = Arc::new(Changing(std::sync::Mutex::new(pem)));
    let plain = request_with(&server, "signer", ClientAuth::PrivateKeyJwt, "");
    let client = OauthClient::new(
        "signer",
        ClientAuth::PrivateKeyJwt,
        changing.clone(),
        plain.client.fetch.clone(),
        plain.client.clock.clone(),
    );
    let grant = Arc::new(ClientCredentials::new(TokenRequest { client, resource: None, ..plain }));
    let observer = Observer::new();
    let manager = TokenManager::new(grant.request.client.clock.clone(), observer.clone(), 1);
    let handle = manager.handle("api", &grant.key(), grant.clone());
    let first = handle.ensure_access(&Wanted::default()).await.unwrap();
    // The store has the new key before the server knows it: the old one still serves.
    *changing.0.lock().unwrap() = next;
    assert!(grant.request().await.is_ok());
    let mut events = observer.follow();
    server.stop().await;
    let server = builder(next_public).address(address).start().await.unwrap();
    assert!(handle.instead_of(&first, &Wanted::default()).await.unwrap().is_some());
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        told.push(event.name());
    }
    assert!(told.contains(&"secret_rotated"), "{told:?}");
    drop(server);
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_told_by_its_code() {
    let server = server().await;
    let wrong_auth = client(&server, "post", ClientAuth::SecretBasic);
    let unknown = client(&server, "nobody", ClientAuth::SecretBasic);
    let wrong_secret = client_with(&server, "basic: client", ClientAuth::SecretBasic, "wrong");
    let request = request_with(&server, "basic: client", ClientAuth::SecretBasic, SECRET);
    let wrong_resource =
        ClientCredentials::new(TokenRequest { resource: Some("https://other".into()), ..request });
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
