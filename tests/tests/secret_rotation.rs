//! A client's secret in Vault is replaced while Bearward runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bearward_testbed::vault::{Place, Vault};
use bearward_tests::stage::{Plan, Stage, issuer_that_knows};
use http::StatusCode;

async fn metrics(http: &reqwest::Client, admin: &str) -> String {
    http.get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap()
}

// HARD 7
#[tokio::test]
async fn a_secret_that_is_rotated_in_vault_is_used_without_a_restart_and_told_of() {
    let vault = Vault::builder().start().await.unwrap();
    // What the stage's environment holds for the client opens Vault here; the client's own secret is in there.
    vault.approle("bearward", "client-secret-value", &["kv/data/notes/*"]);
    vault.put("kv", "notes/client", &[("client_secret", "client-secret-value")]);
    let sections = format!(
        "secrets: {{vault: {{address: '{}', auth: {{appRole: {{roleId: bearward, secretId: {{env: CLIENT_SECRET}}}}}}}}}}",
        vault.address()
    );
    let client_secret = Some("{vault: kv/notes/client, field: client_secret}".to_owned());
    let stage = Stage::with(Plan { sections, client_secret, ..Plan::default() }).await;
    let Stage { issuer, notes, egress, admin, http, bearward, mcp: _mcp, .. } = stage;
    let echo =
        async || http.post(format!("{egress}/notes-api/echo")).body("hi").send().await.unwrap().status();
    assert_eq!(echo().await, StatusCode::OK);
    assert!(!metrics(&http, &admin).await.contains("secret_rotated_total{"));
    assert_eq!((vault.asked(Place::Login), vault.asked(Place::Read)), (1, 1));

    vault.put("kv", "notes/client", &[("client_secret", "the-new-secret")]);
    let (address, keys) = (issuer.address(), issuer.keys().clone());
    issuer.stop().await;
    let _issuer = issuer_that_knows("the-new-secret").address(address).keys(keys).start().await.unwrap();
    // The API takes the token no more, so another one must be had, and the issuer takes the new secret alone.
    notes.refuse_next(1, StatusCode::UNAUTHORIZED);
    assert_eq!(echo().await, StatusCode::OK);
    let metrics = metrics(&http, &admin).await;
    assert!(metrics.contains(r#"secret_rotated_total{provider="notes-api"} 1"#), "{metrics}");
    assert_eq!((vault.asked(Place::Login), vault.asked(Place::Read)), (1, 2));
    bearward.stop().await;
}
