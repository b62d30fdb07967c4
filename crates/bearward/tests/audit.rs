//! `telemetry.audit` in a configuration: what is read of it, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use bearward::config::settings::AuditSettings;
use bearward::config::{Environment, parse};
use bearward_observe::audit::{Destination, Field};

fn audit(audit: &str) -> Result<AuditSettings, String> {
    let source = format!("server: {{egress: '127.0.0.1:8090'}}\ntelemetry: {{audit: {audit}}}\n");
    let told = |errors: bearward::config::ConfigErrors| {
        let said = |problem: &bearward::config::Problem| format!("{problem} | {}", problem.help());
        errors.problems().iter().map(said).collect::<Vec<_>>().join("\n")
    };
    parse("x", &source, Environment::new([])).map(|loaded| loaded.settings.audit.unwrap()).map_err(told)
}

#[test]
fn a_file_is_turned_over_at_100_mib_and_ten_stay_unless_said_otherwise() {
    let file = |rotate_at, keep| Destination::File { path: "a.jsonl".into(), rotate_at, keep };
    assert_eq!(audit("{file: a.jsonl}").unwrap().destination, file(100 * 1024 * 1024, 10));
    let bent = audit("{file: a.jsonl, rotateAt: 64KiB, keep: 2}").unwrap();
    assert_eq!(bent.destination, file(64 * 1024, 2));
    let hidden = audit("{stdout: true, hash: [subject, tenant], hashKey: {env: K}}").unwrap();
    assert_eq!(hidden.destination, Destination::Stdout);
    assert_eq!(hidden.hidden.unwrap().fields, [Field::Subject, Field::Tenant]);
}

#[test]
fn what_would_not_work_is_refused_with_a_way_out() {
    for (wrong, message) in [
        ("{}", "must name exactly one place"),
        ("{stdout: false}", "must name exactly one place"),
        ("{file: a, stdout: true}", "must name exactly one place"),
        ("{stdout: true, keep: 3}", "is for a file"),
        ("{file: a, rotateAt: 1KiB}", "is too small"),
        ("{file: a, keep: 0}", "cannot be 0"),
        ("{file: a, hash: [subjekt], hashKey: {env: K}}", "did you mean `subject`?"),
        ("{file: a, hash: []}", "is empty"),
        ("{file: a, hash: [subject]}", "`telemetry.audit.hashKey` is missing"),
        ("{file: a, hash: [subject], hashKey: plain}", "must be a reference"),
        ("{file: a, hashKey: {env: K}}", "nothing is hashed"),
        ("{path: a}", "unknown key"),
    ] {
        let error = audit(wrong).expect_err(wrong);
        assert!(error.contains(message), "{wrong}: {error}");
    }
}
