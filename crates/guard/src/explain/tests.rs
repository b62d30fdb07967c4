use serde_json::json;

use crate::guard::tests::Scene;

/// The checks that were told of, the last with its reason.
async fn told(scene: &Scene, token: &str) -> (bool, Vec<&'static str>, Option<&'static str>) {
    let explanation = scene.guard.explain(token).await;
    for step in &explanation.steps {
        assert!(!step.found.contains(token), "{step:?}");
    }
    let last = explanation.steps.last().and_then(|step| step.reason);
    (explanation.ok, explanation.steps.iter().map(|step| step.check).collect(), last)
}

#[tokio::test]
async fn a_good_token_is_explained_to_the_end() {
    let scene = Scene::new().await;
    let (ok, checks, reason) = told(&scene, &scene.token().build()).await;
    let expected = [
        "form",
        "issuer",
        "algorithm",
        "type",
        "signature",
        "time",
        "audience",
        "claims",
        "caller",
        "revocation",
        "scopes",
    ];
    assert_eq!((ok, checks.as_slice(), reason), (true, expected.as_slice(), None));
}

#[tokio::test]
async fn a_bad_token_is_explained_up_to_what_does_not_hold_and_the_guard_agrees() {
    let scene = Scene::new().await;
    let good = || scene.token();
    for (token, check, reason) in [
        ("garbage".to_owned(), "form", "malformed"),
        (good().unsigned().build(), "form", "signature"),
        (good().signed_with_public_key_as_secret().build(), "form", "algorithm"),
        (good().claim("iss", "https://other.example").build(), "issuer", "issuer"),
        (good().header("typ", "logout+jwt").build(), "type", "token_type"),
        (good().header("kid", "unknown").build(), "signature", "unknown_key"),
        (good().with_garbage_signature().build(), "signature", "signature"),
        (good().claim("exp", 1).build(), "time", "expired"),
        (good().audience("other").build(), "audience", "audience"),
        (good().claim("nonce", "x").build(), "claims", "token_type"),
        (good().claim("sub", json!(7)).build(), "claims", "claims"),
    ] {
        let (ok, checks, told_reason) = told(&scene, &token).await;
        assert_eq!((ok, checks.last(), told_reason), (false, Some(&check), Some(reason)));
        assert_eq!(scene.refusal(&token).await.rejection().as_str(), reason, "the guard says the same");
    }
}
