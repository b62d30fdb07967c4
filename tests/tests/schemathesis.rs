//! Requests that nobody here thought of, made out of the broker's own description: each answer is as described, and no
//! request makes it fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use bearward_tests::application::Application;
use bearward_tests::process::Running;
use bearward_tests::tools::schemathesis;
use tokio::process::Command;

/// For hundreds of requests to each endpoint.
const LIMIT: Duration = Duration::from_secs(180);

/// A state that somebody was given cannot be made up; a provider's name can, and three of four times is.
const CONFIG: &str = "
[dictionaries.known]
values = ['notes-api', 'drive-api', 'foreign']
[parameters]
'body.provider' = {dictionary = 'known', probability = 0.75}
'query.provider' = {dictionary = 'known', probability = 0.75}
[[operations]]
include-path = '/auth/callback'
[operations.checks.positive_data_acceptance]
expected-statuses = [303, 400]
";

/// `530 generated, 530 passed`.
fn counts(output: &str) -> Option<(u32, u32)> {
    let line = output.lines().find(|line| line.contains(" generated, "))?;
    let mut numbers = line.split([' ', ',']).filter_map(|word| word.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

#[tokio::test]
async fn the_broker_answers_whatever_its_description_allows_or_forbids_as_it_says() {
    let test = "the_broker_answers_whatever_its_description_allows_or_forbids_as_it_says";
    let Some(program) = schemathesis(test) else { return };
    let app = Application::new().await;
    let alice = app.signed_in("alice").await;
    let (_, session) = alice.cookies.iter().find(|(name, _)| name == "dev-session").unwrap();
    let config = format!("{CONFIG}\n[auth.openapi.session]\napi_key = '{session}'\n");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schemathesis.toml"), config).unwrap();
    // Last what ends the session that the others need.
    for (which, at_least) in
        [(["--exclude-path", "/auth/logout"], 300), (["--include-path", "/auth/logout"], 10)]
    {
        let mut command = Command::new(&program);
        command.arg("run").arg(format!("{}/auth/openapi.json", app.origin)).args(["--url", &app.origin]);
        command.args(["--checks", "all", "--max-examples", "60", "--seed", "7", "--max-redirects", "0"]);
        command.args(which).current_dir(folder.path());
        let mut process = Running::start("schemathesis", &mut command).unwrap();
        let status = process.until_ended(LIMIT).await.unwrap();
        let output = process.output();
        assert!(status.success(), "{output}");
        let (generated, passed) = counts(&output).unwrap_or_else(|| panic!("{output}"));
        assert!(generated > at_least && generated == passed, "{output}");
    }
    assert!(
        app.metrics()
            .await
            .contains("auth_token_broker_exchange_total{provider=\"drive-api\",outcome=\"success\"}")
    );
}
