//! One sign-in, tokens for several resources.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_broker::SessionTokens;
use bearward_broker::random::Secret;
use bearward_observe::Observer;
use bearward_supply::{Handle, Label, Revoked, Target, Wanted};
use bearward_testbed::authorization_server::{Fault, Place};
use serde_json::Value;

use crate::scene::{CALENDAR, CONTACTS, MCP, Scene, scene, until};

/// Somebody who has signed in.
struct Signed {
    scene: Scene,
    tokens: SessionTokens,
    cookie: Secret,
}

async fn signed_in() -> Signed {
    let scene = scene().await;
    let (tokens, cookie) = (scene.session_tokens(), Secret::new().unwrap());
    let completed = scene.complete(&scene.sign_in().await).await.unwrap();
    tokens.begin(&cookie, completed.refresh_token, completed.granted, completed.sent).await.unwrap();
    Signed { scene, tokens, cookie }
}

impl Signed {
    fn of(&self, resource: &str) -> Handle {
        let label = Label::new("brokered", &Observer::new());
        let target = Target { resource: Some(resource.into()), ..Target::default() };
        self.tokens.of(&self.cookie, "alice").asking(target, &label)
    }

    /// How often each refresh token was presented.
    fn presented(&self) -> Vec<u64> {
        self.scene.issuer.counts().snapshot().refresh_tokens.into_values().collect()
    }

    /// Waits until the issuer has so many requests for a refresh.
    async fn asked(&self, times: u64) {
        until("so many refreshes", async || self.scene.refreshes() >= times).await;
    }
}

fn audience(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&payload).unwrap()["aud"].clone()
}

// HARD 3, HARD 32
#[tokio::test]
async fn twenty_callers_of_each_of_three_resources_at_once_cost_one_refresh_each_and_none_is_spent_twice() {
    let alice = signed_in().await;
    alice.scene.issuer.faults().always(Place::Token, Fault::Latency { ms: 20 });
    let resources = [CALENDAR, MCP, CONTACTS];
    let callers = resources.iter().cycle().take(60).map(|resource| async {
        let supplied = alice.of(resource).ensure_access(&Wanted::default()).await.unwrap();
        assert_eq!(audience(supplied.token().expose()), *resource);
        (*resource, supplied)
    });
    let first = futures_util::future::join_all(callers).await;
    assert_eq!(alice.presented(), [1, 1], "the sign-in's own is used first");
    // All of them were refused with it.
    let again = first.iter().map(|(resource, refused)| async {
        let newer = alice.of(resource).instead_of(refused, &Wanted::default()).await.unwrap().unwrap();
        assert_eq!(audience(newer.token().expose()), *resource);
    });
    futures_util::future::join_all(again).await;
    assert_eq!(alice.presented(), [1; 5]);
}

// HARD 14
#[tokio::test]
async fn who_signs_out_has_a_token_for_no_resource_whoever_still_holds_its_handle() {
    let alice = signed_in().await;
    let handles = [CALENDAR, MCP, CONTACTS].map(|resource| alice.of(resource));
    for handle in &handles {
        handle.ensure_access(&Wanted::default()).await.unwrap();
    }
    assert_eq!(alice.tokens.end(&alice.cookie.fingerprint()).await, Ok(Revoked::Done));
    let told = alice.scene.issuer.counts().snapshot().at(Place::Revocation);
    assert_eq!(told, 4, "the refresh token and three access tokens");
    for (old, new) in handles.iter().zip([CALENDAR, MCP, CONTACTS].map(|resource| alice.of(resource))) {
        for handle in [old, &new] {
            let error = handle.ensure_access(&Wanted::default()).await.unwrap_err();
            assert!(error.to_string().contains("log in again"), "{error}");
        }
    }
    assert_eq!(alice.presented(), [1, 1]);
}

// HARD 14
#[tokio::test]
async fn a_logout_beats_a_refresh_for_another_resource_that_is_under_way() {
    let alice = Arc::new(signed_in().await);
    alice.scene.issuer.faults().next(Place::Token, 1, Fault::Latency { ms: 200 });
    let calendar = alice.of(CALENDAR);
    let caller = tokio::spawn({
        let calendar = calendar.clone();
        async move { calendar.ensure_access(&Wanted::default()).await }
    });
    alice.asked(1).await;
    assert_eq!(alice.tokens.end(&alice.cookie.fingerprint()).await, Ok(Revoked::Done));
    assert!(caller.await.unwrap().is_err());
    assert_eq!(calendar.expires_in(), None);
    let error = alice.of(CALENDAR).ensure_access(&Wanted::default()).await.unwrap_err();
    assert!(error.to_string().contains("log in again"), "{error}");
    assert_eq!(alice.presented(), [1]);
}

// HARD 32
#[tokio::test]
async fn a_resource_that_the_issuer_refuses_signs_nobody_out() {
    let alice = signed_in().await;
    let refused = alice.of("https://unknown.example.com").ensure_access(&Wanted::default()).await;
    assert!(refused.unwrap_err().to_string().contains("invalid_target"));
    let supplied = alice.of(CALENDAR).ensure_access(&Wanted::default()).await.unwrap();
    assert_eq!(audience(supplied.token().expose()), CALENDAR);
    assert!(alice.tokens.of(&alice.cookie, "alice").can_refresh().await);
    assert_eq!(alice.presented().iter().sum::<u64>(), 2);
}
