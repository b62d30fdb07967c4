//! A Bearward whose secrets are in Vault, from its start to its end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use bearward::background::Background;
use bearward::config::Environment;
use bearward::sockets::Sockets;
use bearward_observe::Observer;
use bearward_testbed::vault::{Place, Vault};
use tokio::net::TcpListener;

fn configuration(vault: &Vault) -> String {
    format!(
        "server: {{egress: '127.0.0.1:8090'}}
secrets:
  vault:
    address: {}
    auth: {{appRole: {{roleId: notes-gateway, secretId: {{env: SECRET_ID}}}}}}
mcp:
  providers:
    - name: notes
      url: https://api.example.com
      auth:
        grant: client_credentials
        authority: 'http://127.0.0.1:1'
        clientId: b
        clientSecret: {{vault: kv/notes/client, field: client_secret}}
",
        vault.address()
    )
}

#[tokio::test]
async fn a_login_to_vault_is_made_at_the_start_told_by_readiness_and_ended_at_the_end() {
    let vault = Vault::builder().start().await.unwrap();
    vault.approle("notes-gateway", "the-secret-id", &["kv/data/notes/*"]);
    vault.put("kv", "notes/client", &[("client_secret", "wonderland")]);
    let bind = || TcpListener::bind("127.0.0.1:0");
    let (listen, admin) = (bind().await.unwrap(), bind().await.unwrap());
    let at = admin.local_addr().unwrap();
    let sockets = Sockets { listen, admin, admin_socket: None, egress: None };
    let environment = Environment::new([("SECRET_ID".to_owned(), "the-secret-id".to_owned())]);
    let bearward =
        Background::start(&configuration(&vault), environment, Observer::new(), sockets).await.unwrap();
    assert_eq!((vault.asked(Place::Login), vault.living_tokens()), (1, 1));
    let readiness = reqwest::get(format!("http://{at}/readyz")).await.unwrap().text().await.unwrap();
    let readiness: serde_json::Value = serde_json::from_str(&readiness).unwrap();
    let mut parts = readiness["parts"].as_array().unwrap().iter();
    let stores = parts.find(|part| part["name"] == "secrets in stores").unwrap();
    assert_eq!(stores["state"], "ready");
    bearward.stop().await;
    assert_eq!((vault.asked(Place::Revocation), vault.living_tokens()), (1, 0));
}
