//! One whole run at an issuer that no one here wrote: sign in on its pages, let the agent call, restart, sign out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bearward_client::{Choice, Provider};
use bearward_example_bff::{Called, Settings, serve};
use bearward_testbed::mcp::SampleMcpServer;
use bearward_tests::browser::Browser;
use bearward_tests::process::{Running, free_address};
use bearward_tests::servers::OidcProvider;
use bearward_tests::servers::oidc_provider::SECRET;
use bearward_tests::tools::{BrowserPrograms, Tools};
use bearward_token::{Authority, Issuer};
use tokio::net::TcpListener;
use tokio::process::Command;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn configuration(
    listen: SocketAddr,
    admin: SocketAddr,
    application: &str,
    issuer: &str,
    upstreams: &[String],
) -> String {
    let guards = ["calendar", "documents"].iter().zip(upstreams).map(|(name, upstream)| {
        format!(
            "  - {{resource: 'http://{listen}/{name}', upstream: {{url: '{upstream}'}}, issuers: [{{issuer: '{issuer}'}}], \
             identity: {{headers: {{X-User: sub}}}}}}\n"
        )
    });
    format!(
        "server: {{listen: '{listen}', admin: '{admin}', drain: 1s}}
state: {{backend: file, path: state, key: {{env: STATE_KEY}}}}
default: {{mcp: {{reuseAuthorizer: true}}}}
broker:
  issuer: {issuer}
  clientId: web
  clientSecret: {{env: SECRET}}
  publicUrl: {application}
  scopes: [openid, offline_access]
  loginParameters: {{prompt: consent}}
  resource: http://{listen}/calendar
  afterLogout: {application}/
mcp:
  providers:
    - {{name: calendar, auth: {{resource: 'http://{listen}/calendar', origins: ['http://{listen}'], allowInsecure: true}}}}
    - {{name: documents, auth: {{resource: 'http://{listen}/documents', via: refresh_token, origins: ['http://{listen}'], allowInsecure: true}}}}
guards:
{}",
        guards.collect::<String>()
    )
}

async fn bearward(tools: &Tools, folder: &Path, listen: SocketAddr) -> Running {
    let mut command = Command::new(&tools.bearward);
    command.args(["serve", "--config", "bearward.yaml", "--log", "trace"]).current_dir(folder);
    command.env("SECRET", SECRET).env("STATE_KEY", KEY);
    let mut process = Running::start("bearward serve", &mut command).unwrap();
    process.until_listening(listen).await.unwrap();
    process
}

/// The application's own part, which knows no secret.
fn settings(listen: SocketAddr, issuer: &str) -> Settings {
    let issuer: Issuer = issuer.parse().unwrap();
    let called = |name: &str| Called {
        provider: Provider {
            name: name.into(),
            authority: Authority::of_issuer(issuer.clone()),
            origins: vec![format!("http://{listen}").parse().unwrap()],
            audience: format!("http://{listen}/{name}").into(),
            audiences: Vec::new(),
            allow_insecure: true,
            choice: Choice::default(),
        },
        url: format!("http://{listen}/{name}"),
    };
    Settings {
        bearward: format!("http://{listen}"),
        cookie: "dev-session".into(),
        authority: Authority::of_issuer(issuer.clone()),
        providers: vec![called("calendar"), called("documents")],
    }
}

// SPEC CL-2, CL-4
#[tokio::test]
async fn a_user_of_oidc_provider_signs_in_once_and_the_agent_calls_as_them_until_they_sign_out() {
    let test = "a_user_of_oidc_provider_signs_in_once_and_the_agent_calls_as_them_until_they_sign_out";
    let (Some(tools), Some(programs)) = (Tools::find(test), BrowserPrograms::find(test)) else { return };
    let front = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let application = format!("http://{}", front.local_addr().unwrap());
    let issuer = OidcProvider::start_for(&tools, Some(&application)).await.unwrap();
    let calendar = SampleMcpServer::builder().start().await.unwrap();
    let documents = SampleMcpServer::builder().start().await.unwrap();
    let (listen, admin) = (free_address().unwrap(), free_address().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let upstreams = [calendar.url(), documents.url()];
    let config = configuration(listen, admin, &application, &issuer.issuer, &upstreams);
    std::fs::write(folder.path().join("bearward.yaml"), config).unwrap();
    let mut process = bearward(&tools, folder.path(), listen).await;
    tokio::spawn(serve(front, settings(listen, &issuer.issuer), std::future::pending()));

    let browser = Browser::start(&programs).await;
    browser.goto(&format!("{application}/")).await;
    browser.click("#in").await;
    browser.wait_for("input[name=login]").await;
    browser.fill("input[name=login]", "carol").await;
    browser.fill("input[name=password]", "any").await;
    browser.click("button[type=submit]").await;
    // It asks what the application may do.
    browser.wait_for("input[name=prompt][value=consent]").await;
    browser.click("button[type=submit]").await;
    browser.wait_for("#user").await;
    assert_eq!(browser.text("#user").await, "carol", "{}", process.output());

    let ask = async || {
        browser.click("#ask").await;
        browser.wait_for("#told").await;
        for provider in ["#calendar", "#documents"] {
            let told = browser.text(provider).await;
            assert!(told.contains("called as you") && told.contains("x-user: carol"), "{provider}: {told}");
        }
    };
    ask().await;
    // Another process goes on with the session, and spends the refresh token that the last one left.
    process.terminate().await.unwrap();
    process.until_ended(Duration::from_secs(20)).await.unwrap();
    let first = process.output();
    let process = bearward(&tools, folder.path(), listen).await;
    browser.goto(&format!("{application}/")).await;
    ask().await;

    browser.click("#out").await;
    browser.wait_for("button[value=yes]").await;
    browser.click("button[value=yes]").await;
    browser.wait_for("#in").await;
    assert!(browser.url().await.starts_with(&application));
    let session = browser.eval("return (await fetch('/auth/session')).json()").await;
    assert_eq!(session["authenticated"], false);
    // HARD 20, at the most talkative.
    for output in [first, process.output()] {
        assert!(!output.contains("eyJ") && !output.contains(SECRET), "a token or a secret in the log");
    }
}
