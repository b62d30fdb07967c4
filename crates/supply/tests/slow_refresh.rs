//! A refresh token that is spent while its answer takes longer than anybody waits for a token.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use bearward_issuer::{ClientAuth, Discovery, FixedCredential, HttpFetch, KnownMetadata, OauthClient};
use bearward_observe::Observer;
use bearward_store::Memory;
use bearward_supply::{RefreshTokenGrant, TokenManager, TokenRequest, Wanted};
use bearward_testbed::AuthorizationServer;
use bearward_testbed::authorization_server::{Client, ClientAuth as Registered, Fault, Place, User};
use bearward_token::{ClientSecret, SystemClock};

const API: &str = "https://api.example.com/v1";
const SECRET: &str = "desktop secret";
/// What one attempt may take; an answer comes later.
const ATTEMPT: Duration = Duration::from_millis(300);

// HARD 13
#[tokio::test]
async fn an_answer_that_is_slower_than_an_attempt_does_not_lose_the_login() {
    let server = AuthorizationServer::builder()
        .client(Client::new("desktop", Registered::SecretBasic(SECRET.into())).audiences(&[API]))
        .user(User::new("alice", "wonderland"))
        .start()
        .await
        .unwrap();
    let clock = Arc::new(SystemClock::new());
    let fetch = Arc::new(HttpFetch::with_timeout(ATTEMPT).unwrap());
    let fixed = |text: &str| Arc::new(FixedCredential(ClientSecret::new(text)));
    let discovery = Discovery::new(fetch.clone(), clock.clone());
    let request = TokenRequest {
        metadata: KnownMetadata::new(server.issuer().parse().unwrap(), discovery, clock.clone()),
        token_endpoint: None,
        client: OauthClient::new("desktop", ClientAuth::SecretBasic, fixed(SECRET), fetch, clock.clone()),
        audience: None,
        resource: Some(API.into()),
        scopes: Default::default(),
        extra: Vec::new(),
    };
    let given = server.login("desktop", "alice", "openid offline_access", API).unwrap();
    let store = Arc::new(Memory::new(10, clock.clone()));
    let grant = RefreshTokenGrant::new("notes", Arc::new(request), fixed(&given), store, None);
    let manager = TokenManager::new(clock, Observer::new(), 1);
    let handle = manager.handle("notes", &grant.key(), Arc::new(grant));

    let late = u64::try_from(ATTEMPT.as_millis()).unwrap() * 4;
    server.faults().next(Place::Token, 1, Fault::Latency { ms: late });
    handle.ensure_access(&Wanted::default()).await.unwrap();
    assert_eq!(server.counts().snapshot().grant("refresh_token"), 1, "spent once");
}
