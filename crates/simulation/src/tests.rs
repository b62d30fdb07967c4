//! A small world holds every promise; and what a broken one would look like is seen.

use std::sync::Arc;
use std::time::Duration;

use super::clock::WorldClock;
use super::oracle::{Oracle, Record};
use super::rules::{Rules, Verdict};
use super::{Plan, run};

#[test]
fn two_hundred_keys_in_bad_weather_break_no_promise() {
    let report = run(&Plan { keys: 200, hours: 4, seed: 3 }, |_| {}).unwrap();
    let broken: Vec<_> = report.rows.iter().filter(|row| !row.is_kept).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(report.failures.len() >= 4, "the weather was too good: {:?}", report.failures);
}

#[test]
fn the_oracle_sees_what_must_not_be() {
    let record = Record {
        lifetime: Duration::from_secs(3600),
        is_kept_fresh: true,
        min_ttl: Duration::ZERO,
        issued: Vec::new(),
        arrived: None,
        is_refused: false,
        last_forced: [None; 2],
    };
    let clock = WorldClock::new();
    let oracle = Arc::new(Oracle::new(clock.clone(), vec![record]));
    let fetch = || {
        let (text, _) = oracle.issued(0, clock.now());
        oracle.delivered(0, &text, None);
        text
    };
    let first = fetch();
    oracle.went_without(0, oracle.before(0), None);
    oracle.requested(true, Rules::default().sent(0, 0, Duration::ZERO));
    fetch();
    clock.suspend(Duration::from_secs(3600));
    oracle.handed_out(0, oracle.before(0), &first);
    let figures = oracle.figures();
    assert_eq!((figures.failed_with_token, figures.requests_in_pause), (1, 1));
    assert_eq!((figures.unneeded, figures.expired), (1, 1));
    assert!(figures.ratio() > 1.9, "{}", figures.ratio());
}

#[test]
fn requests_that_no_rule_allows_are_seen_although_no_token_comes_of_them() {
    let oracle = Oracle::new(WorldClock::new(), Vec::new());
    let allowed = Verdict { share: 1.0, ..Verdict::default() };
    let beyond = Verdict { is_beyond_breaker: true, is_refused_again: true, ..Verdict::default() };
    let early = Verdict { share: 0.1, is_by_backoff: true, ..Verdict::default() };
    for (verdict, times) in [(allowed, 10), (beyond, 1), (early, 10)] {
        for _ in 0..times {
            oracle.requested(false, verdict);
            oracle.failed("unavailable", verdict);
        }
    }
    let figures = oracle.figures();
    assert_eq!((figures.requests_beyond_breaker, figures.refused_again), (1, 1));
    assert!((figures.request_ratio() - 21.0 / 11.0).abs() < 1e-9, "{}", figures.request_ratio());
    let broken: Vec<_> = figures.rows(0).into_iter().filter(|row| !row.is_kept).map(|row| row.what).collect();
    assert_eq!(broken.len(), 4, "{broken:?}");
}
