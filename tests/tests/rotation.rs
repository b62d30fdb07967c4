//! The issuer changes its keys while the guard runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bearward_testbed::Algorithm;
use bearward_testbed::authorization_server::Place;
use bearward_testbed::client::{Era, McpClient};
use bearward_tests::stage::Stage;

async fn is_let_in(stage: &Stage, token: &str) -> bool {
    match McpClient::connect(&stage.resource, Some(token), Era::Sessions).await {
        Ok(client) => {
            client.close().await;
            true
        }
        Err(_) => false,
    }
}

// SPEC JW-2: an unknown key id fetches the keys, once a cooldown
#[tokio::test]
async fn a_new_key_of_any_algorithm_is_found_when_its_first_token_arrives_and_the_old_one_stays_good() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let stage = Stage::new().await;
        let old = stage.token();
        assert!(is_let_in(&stage, &old).await);
        let asked = stage.issuer.counts().snapshot().at(Place::Jwks);
        stage.issuer.keys().rotate(algorithm);
        let new = stage.token();
        assert!(is_let_in(&stage, &new).await, "{algorithm:?}");
        assert!(is_let_in(&stage, &old).await, "{algorithm:?}");
        assert_eq!(stage.issuer.counts().snapshot().at(Place::Jwks), asked + 1);
    }
}

// SPEC JW-2: never one fetch per request
#[tokio::test]
async fn many_tokens_under_keys_that_nobody_has_cost_one_fetch() {
    let stage = Stage::new().await;
    let asked = stage.issuer.counts().snapshot().at(Place::Jwks);
    for number in 0..20 {
        let token =
            stage.issuer.token_for(&stage.resource).header("kid", format!("made-up-{number}")).build();
        assert!(!is_let_in(&stage, &token).await);
    }
    assert_eq!(stage.issuer.counts().snapshot().at(Place::Jwks), asked + 1);
    assert!(is_let_in(&stage, &stage.token()).await, "known keys stay usable");
}
