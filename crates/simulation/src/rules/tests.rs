use super::*;

fn down() -> Failure {
    Failure::Unavailable { status: 503, retry_after: None }
}

#[test]
fn a_retry_counts_for_the_share_of_its_pause_that_it_waited() {
    for (failures, bound) in [(1, 500), (2, 1000), (5, 8000), (9, 30_000)] {
        let mut rules = Rules::default();
        for _ in 0..failures {
            rules.failed(0, 0, Some(&down()), secs(1));
            rules.succeeded(1); // or the breaker would hold it
        }
        rules.held_until = Duration::ZERO;
        let after = |ms| rules.keys.get(&0).map(|told| told.last.unwrap().at + Duration::from_millis(ms));
        let [half, bound, late] = [bound / 2, bound, bound + 1].map(|ms| after(ms).unwrap());
        let mut shares = [half, bound, late].map(|at| rules.sent(0, 0, at).share);
        shares.iter_mut().for_each(|share| *share = (*share * 100.0).round() / 100.0);
        assert_eq!(shares, [1.0, 2.0, 1.0], "{failures}");
    }
}

#[test]
fn after_five_failures_in_a_row_nobody_asks_for_half_a_minute_and_then_one_alone() {
    let mut rules = Rules::default();
    for key in 0..5 {
        assert!(!rules.sent(key, 0, secs(1)).is_beyond_breaker);
    }
    (0..5).for_each(|key| rules.failed(key, 0, Some(&down()), secs(1)));
    assert!(rules.sent(7, 0, secs(30)).is_beyond_breaker);
    assert_eq!(rules.sent(7, 0, secs(30)).share, 0.0);
    assert!(!rules.sent(7, 0, secs(31)).is_beyond_breaker, "the probe");
    assert!(rules.sent(8, 0, secs(31)).is_beyond_breaker, "a second one");
    rules.failed(7, 0, None, secs(36));
    assert!(rules.sent(8, 0, secs(65)).is_beyond_breaker);
    assert!(!rules.sent(8, 0, secs(66)).is_beyond_breaker);
    rules.succeeded(8);
    assert!(!rules.sent(9, 0, secs(66)).is_beyond_breaker);
}

#[test]
fn a_refused_secret_does_not_come_again_within_half_a_minute_and_another_may() {
    let mut rules = Rules::default();
    let refused = Failure::Refused { code: "invalid_client".into(), advice: "" };
    rules.failed(0, 3, Some(&refused), secs(1));
    assert!(rules.sent(0, 3, secs(30)).is_refused_again);
    assert!(!rules.sent(0, 4, secs(2)).is_refused_again);
    assert!(!rules.sent(0, 3, secs(31)).is_refused_again);
}

#[test]
fn a_pause_that_was_asked_for_is_no_backoff() {
    let mut rules = Rules::default();
    let limited = Failure::RateLimited { retry_after: Some(Duration::from_millis(100)) };
    rules.failed(0, 0, Some(&limited), secs(1));
    let verdict = rules.sent(0, 0, secs(1) + Duration::from_millis(100));
    assert!(!verdict.is_by_backoff && verdict.share == 1.0, "{verdict:?}");
}
