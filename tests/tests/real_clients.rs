//! The official clients, directly and through the guard, to the reference server and to the sample server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use bearward_testbed::AuthorizationServer;
use bearward_testbed::mcp::SampleMcpServer;
use bearward_tests::caller::{Caller, Era, Seen, Tour};
use bearward_tests::guarded::{Guarded, guarded};
use bearward_tests::servers::Everything;
use bearward_tests::tools::Tools;
use serde_json::json;

#[tokio::test]
async fn every_client_works_with_the_reference_server_as_well_through_the_guard_as_directly() {
    let test = "every_client_works_with_the_reference_server_as_well_through_the_guard_as_directly";
    let Some(tools) = Tools::find(test) else { return };
    let server = Everything::start(&tools).await.unwrap();
    let (issuer, guard) = in_front_of(&tools, &server.url).await;
    let token = issuer.token_for(&guard.resource).scope("mcp").build();
    // The reference server knows sessions only.
    for (caller, era) in Caller::ALL.into_iter().filter(|(_, era)| *era == Era::Legacy) {
        for (url, token) in [(&*server.url, ""), (&*guard.resource, &*token)] {
            let tour = Tour {
                url,
                token,
                era,
                tool: "trigger-long-running-operation",
                arguments: json!({"duration": 0.9, "steps": 3}),
            };
            let seen = caller.take(&tools, &tour).await.unwrap();
            let context = format!("{caller:?} at {url}: {seen:?}\n{}", guard.process.output());
            assert!(seen.tools.iter().any(|tool| tool == "echo"), "{context}");
            assert!(seen.text.contains("Steps: 3"), "{context}");
            progress_came_while_the_tool_worked(&seen, &context);
        }
    }
}

#[tokio::test]
async fn every_client_works_with_the_sample_server_in_both_eras_through_the_guard() {
    let test = "every_client_works_with_the_sample_server_in_both_eras_through_the_guard";
    let Some(tools) = Tools::find(test) else { return };
    let server = SampleMcpServer::builder().start().await.unwrap();
    let (issuer, guard) = in_front_of(&tools, &server.url()).await;
    let token = issuer.token_for(&guard.resource).scope("mcp").build();
    for (caller, era) in Caller::ALL {
        for (url, token) in [(&*server.url(), ""), (&*guard.resource, &*token)] {
            let arguments = json!({"n": 3, "delay_ms": 300});
            let tour = Tour { url, token, era, tool: "count_to", arguments };
            let seen = caller.take(&tools, &tour).await.unwrap();
            let context = format!("{caller:?} {era:?} at {url}: {seen:?}\n{}", guard.process.output());
            assert!(seen.tools.iter().any(|tool| tool == "whoami"), "{context}");
            assert_eq!(seen.text, "counted to 3", "{context}");
            if let Era::Stateless(revision) = era {
                assert_eq!(seen.protocol.as_deref(), Some(revision), "{context}");
            }
            progress_came_while_the_tool_worked(&seen, &context);
        }
    }
    // SPEC RS-8: the token stopped at the guard.
    assert!(!server.received().is_empty());
    assert!(server.received().iter().all(|headers| !headers.contains_key("authorization")));
    // HARD 20
    assert!(!guard.process.output().contains(&token), "a token is in the log");
}

#[tokio::test]
async fn every_client_is_told_that_it_needs_a_token_or_a_better_one() {
    let test = "every_client_is_told_that_it_needs_a_token_or_a_better_one";
    let Some(tools) = Tools::find(test) else { return };
    let server = SampleMcpServer::builder().start().await.unwrap();
    let (issuer, guard) = in_front_of(&tools, &server.url()).await;
    let for_another = issuer.token_for("http://127.0.0.1:1/mcp").scope("mcp").build();
    for (caller, era) in Caller::ALL {
        for token in ["", &for_another] {
            let arguments = json!({"text": "hello"});
            let tour = Tour { url: &guard.resource, token, era, tool: "echo", arguments };
            let seen = caller.take(&tools, &tour).await.unwrap();
            // Each client in its own words, some in those of the guard's JSON-RPC error.
            let error = seen.error.clone().unwrap_or_default();
            let is_told = ["access token", "requires authorization", "Unauthorized"];
            assert!(is_told.iter().any(|words| error.contains(words)), "{caller:?} {era:?}: {seen:?}");
        }
    }
    assert!(server.received().is_empty(), "a refused request reached the server");
}

async fn in_front_of(tools: &Tools, url: &str) -> (AuthorizationServer, Guarded) {
    let issuer = AuthorizationServer::builder().start().await.unwrap();
    let guard = guarded(tools, url, &issuer.issuer()).await.unwrap();
    (issuer, guard)
}

/// SPEC PX-5: had the events waited in a buffer, the first would have come with the answer.
fn progress_came_while_the_tool_worked(seen: &Seen, context: &str) {
    let done: Vec<_> = seen.progress.iter().map(|progress| progress.done).collect();
    assert_eq!(done, [1.0, 2.0, 3.0], "{context}");
    assert!(seen.ended_at_ms - seen.progress[0].at_ms >= 300, "{context}");
}
