//! Schemathesis, which makes requests out of a description of an API.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use bearward_tests::process::Running;
use bearward_tests::tools::schemathesis;
use tokio::process::Command;

/// Python imports much before it says anything.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn schemathesis_runs_and_says_which_version_it_is() {
    let Some(program) = schemathesis("schemathesis_runs_and_says_which_version_it_is") else { return };
    let mut process = Running::start("schemathesis", Command::new(program).arg("--version")).unwrap();
    let status = process.until_ended(LIMIT).await.unwrap();
    let output = process.output();
    assert!(status.success(), "{output}");
    assert!(output.contains("version 4."), "{output}");
}
