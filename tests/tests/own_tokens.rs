//! From one shared machine token to each user's own: by exchange, for a share of callers, and never by falling back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeSet;
use std::path::Path;

use bearward_testbed::authorization_server::{Fault, Place};
use bearward_tests::stage::{NOTES, Plan, Stage, eventually};
use serde_json::{Value, json};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A guard right before the notes API, whose callers' tokens are had by this grant.
async fn stage(grant: &str, sections: String) -> Stage {
    let auth = Some(format!("grant: {grant}, authority: 'ISSUER', audience: '{NOTES}'"));
    let upstream = Some("url: 'NOTES/notes', provider: notes-api".to_owned());
    Stage::with(Plan { auth, upstream, sections, ..Plan::default() }).await
}

/// What the API answers to a caller; it knows nothing of MCP.
async fn call(stage: &Stage, subject: &str) -> u16 {
    let token = stage.token_of(subject);
    stage.post(&token).body(r#"{"title":"t","text":"x"}"#).send().await.unwrap().status().as_u16()
}

fn seen(stage: &Stage) -> Vec<String> {
    stage.notes.seen().into_iter().map(|seen| seen.subject).collect()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

// HARD 3, SPEC CL-8, RS-8
#[tokio::test]
async fn each_caller_comes_to_the_api_as_themselves_with_a_token_of_their_own() {
    let stage = stage("token_exchange", String::new()).await;
    let alice = stage.token_of("alice");
    for _ in 0..3 {
        stage.post(&alice).send().await.unwrap();
    }
    call(&stage, "bob").await;
    assert_eq!(seen(&stage), ["alice", "alice", "alice", "bob"]);
    assert_eq!(stage.issuer.counts().snapshot().grant(EXCHANGE), 2, "one for each token that came in");
    let came_in = bearward_token::Fingerprint::of(&alice).to_hex();
    assert!(
        stage.notes.seen().iter().all(|seen| seen.token_sha256 != came_in),
        "a token that came in went out"
    );
}

#[tokio::test]
async fn a_caller_whose_token_is_not_exchanged_is_told_so_and_does_not_borrow_the_machines() {
    let staged = "{first: token_exchange, otherwise: client_credentials, share: 100%}";
    let stage = stage(staged, String::new()).await;
    stage.until_ready().await;
    let refuse = |code: &str| Fault::Status {
        status: 400,
        body: json!({"error": code}).to_string(),
        retry_after: None,
    };
    stage.issuer.faults().always(Place::Token, refuse("access_denied"));
    assert_eq!(call(&stage, "alice").await, 403, "about the caller");
    stage.issuer.faults().clear();
    stage.issuer.faults().always(Place::Token, refuse("invalid_client"));
    assert_eq!(call(&stage, "bob").await, 502, "about our own credential");
    assert_eq!(seen(&stage), Vec::<String>::new());
    stage.issuer.faults().clear();
    call(&stage, "carol").await;
    assert_eq!(seen(&stage), ["carol"]);
}

#[tokio::test]
async fn a_share_of_callers_has_their_own_and_the_audit_trail_names_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let staged = "{first: token_exchange, otherwise: client_credentials, share: 50%}";
    let stage = stage(staged, format!("telemetry: {{audit: {{file: '{}'}}}}", path.display())).await;
    let callers: Vec<_> = (0..20).map(|n| format!("user-{n}")).collect();
    for caller in &callers {
        call(&stage, caller).await;
    }
    let seen = seen(&stage);
    let own = seen.iter().filter(|subject| subject.starts_with("user-")).count();
    assert!((4..=16).contains(&own), "{seen:?}");
    assert!(
        seen.iter().all(|subject| subject.starts_with("user-") || subject.contains("bearward")),
        "{seen:?}"
    );

    let departed =
        || lines(&path).into_iter().filter(|line| line["outcome"] == "forwarded").collect::<Vec<_>>();
    eventually("every departure is written", || async { departed().len() >= 20 }).await;
    let departed = departed();
    let who: BTreeSet<_> = departed.iter().map(|line| line["subject"].as_str().unwrap().to_owned()).collect();
    assert_eq!(who, callers.iter().cloned().collect::<BTreeSet<_>>());
    let by = |token: &str| departed.iter().filter(|line| line["token"] == token).count();
    assert_eq!((by("own"), by("shared"), departed.len()), (own, 20 - own, 20));
    for line in &departed {
        assert_eq!(line["provider"], "notes-api");
        assert!(line["status"].is_u64(), "{line}");
    }
    // The same callers, once more: on the same side.
    for caller in &callers {
        call(&stage, caller).await;
    }
    let again = self::seen(&stage);
    assert_eq!(again[..20], again[20..]);
}

#[tokio::test]
async fn calls_without_a_caller_have_the_shared_token_or_none() {
    let staged = "{first: token_exchange, otherwise: client_credentials, share: 100%}";
    let with_shared = stage(staged, String::new()).await;
    let egress = |stage: &Stage| stage.http.get(format!("{}/notes-api/notes", stage.egress)).send();
    assert_eq!(egress(&with_shared).await.unwrap().status(), 200);
    let own_alone = stage("token_exchange", String::new()).await;
    assert_eq!(egress(&own_alone).await.unwrap().status(), 403);
    for (stage, names) in
        [(&with_shared, &["\"notes-api\"", "callers' own"][..]), (&own_alone, &["callers' own"])]
    {
        let (status, said) = stage.ready().await;
        assert!(status == 200 && names.iter().all(|name| said.contains(name)), "{said}");
    }
    assert_eq!(seen(&own_alone), Vec::<String>::new());
}

// SPEC RS-8
#[tokio::test]
async fn delegation_says_who_acts_for_the_caller() {
    let auth = Some(format!(
        "grant: token_exchange, authority: 'ISSUER', audience: '{NOTES}', actor: {{audience: '{NOTES}'}}"
    ));
    let upstream = Some("url: 'NOTES/notes', provider: notes-api".to_owned());
    let stage = Stage::with(Plan { auth, upstream, ..Plan::default() }).await;
    call(&stage, "alice").await;
    assert_eq!(seen(&stage), ["alice"]);
    let counts = stage.issuer.counts().snapshot();
    assert_eq!(
        (counts.grant(EXCHANGE), counts.grant("client_credentials")),
        (1, 1),
        "the actor has a token too"
    );
}
