//! The conformance suite of the protocol: through the guard as directly.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use bearward_testbed::AuthorizationServer;
use bearward_testbed::mcp::SampleMcpServer;
use bearward_tests::conformance::{REVISIONS, run};
use bearward_tests::forwarder::Forwarder;
use bearward_tests::guarded::guarded;
use bearward_tests::servers::{Conforming, Everything};
use bearward_tests::tools::Tools;

#[tokio::test]
async fn what_a_conforming_server_passes_it_passes_through_the_guard_takes_a_while() {
    let test = "what_a_conforming_server_passes_it_passes_through_the_guard_takes_a_while";
    let Some(tools) = Tools::find(test) else { return };
    for revision in REVISIONS {
        // A server each, so that nothing of the one run is left for the other.
        let direct = Conforming::start(&tools).await.unwrap();
        let behind = Conforming::start(&tools).await.unwrap();
        let enough = if revision == "2025-11-25" { 60 } else { 120 };
        compare(&tools, revision, &direct.url, &behind.url, enough).await;
    }
}

#[tokio::test]
async fn what_the_reference_server_passes_it_passes_through_the_guard_takes_a_while() {
    let test = "what_the_reference_server_passes_it_passes_through_the_guard_takes_a_while";
    let Some(tools) = Tools::find(test) else { return };
    for (revision, enough) in REVISIONS.into_iter().zip([40, 10]) {
        let direct = Everything::start(&tools).await.unwrap();
        let behind = Everything::start(&tools).await.unwrap();
        compare(&tools, revision, &direct.url, &behind.url, enough).await;
    }
}

#[tokio::test]
async fn what_the_sample_server_passes_it_passes_through_the_guard_takes_a_while() {
    let test = "what_the_sample_server_passes_it_passes_through_the_guard_takes_a_while";
    let Some(tools) = Tools::find(test) else { return };
    for (revision, enough) in REVISIONS.into_iter().zip([30, 30]) {
        let direct = SampleMcpServer::builder().start().await.unwrap();
        let behind = SampleMcpServer::builder().start().await.unwrap();
        compare(&tools, revision, &direct.url(), &behind.url(), enough).await;
    }
}

/// `enough`: with fewer passes directly, the comparison would prove little.
async fn compare(tools: &Tools, revision: &str, direct: &str, behind: &str, enough: usize) {
    let issuer = AuthorizationServer::builder().start().await.unwrap();
    let guard = guarded(tools, behind, &issuer.issuer()).await.unwrap();
    let token = issuer.token_for(&guard.resource).scope("mcp").build();
    let forwarder = Forwarder::start(guard.address, &token).await.unwrap();

    let directly = run(tools, direct, revision).await.unwrap();
    let through = run(tools, &format!("http://{}/mcp", forwarder.address()), revision).await.unwrap();

    println!(
        "{revision}: {} pass directly, {} through the guard; {} and {} fail",
        directly.count("SUCCESS"),
        through.count("SUCCESS"),
        directly.count("FAILURE"),
        through.count("FAILURE"),
    );
    let lost = directly.passes_beyond(&through);
    assert!(
        lost.is_empty(),
        "{revision}: passes directly, not through the guard: {lost:#?}\ninstead: {:#?}",
        through.beyond(&directly)
    );
    let passed = directly.count("SUCCESS");
    assert!(passed >= enough, "{revision}: only {passed} checks pass directly");
}
