use bearward_issuer::FetchError;

use super::*;
use crate::quota::Limit;

const S: Duration = Duration::from_secs(1);

fn broken() -> Failure {
    Failure::Unavailable { status: 503, retry_after: None }
}

// HARD 16
#[test]
fn the_breaker_opens_after_five_failures_and_lets_one_probe_through() {
    let gate = Gate::default();
    for _ in 0..5 {
        assert!(!gate.is_open());
        gate.pass(S, Urgency::Needed).unwrap().failed(&broken(), S);
    }
    assert_eq!(
        gate.pass(S, Urgency::Needed).unwrap_err(),
        Closed::Open { left: BREAKER_PAUSE, failures: 5, cause: broken().to_string().into() }
    );

    let later = S + BREAKER_PAUSE;
    let probe = gate.pass(later, Urgency::Needed).unwrap();
    assert!(gate.pass(later, Urgency::Needed).is_err(), "one probe at a time");
    probe.failed(&broken(), later);
    assert!(gate.pass(later, Urgency::Needed).is_err(), "open again");

    gate.pass(later + BREAKER_PAUSE, Urgency::Needed).unwrap().succeeded();
    assert!(!gate.is_open());
    assert!(gate.pass(later + BREAKER_PAUSE, Urgency::Needed).is_ok());
}

// HARD 16
#[test]
fn a_probe_that_is_dropped_does_not_close_the_gate_for_ever() {
    let gate = Gate::default();
    (0..5).for_each(|_| gate.pass(S, Urgency::Needed).unwrap().failed(&broken(), S));
    drop(gate.pass(S + BREAKER_PAUSE, Urgency::Needed).unwrap());
    assert!(gate.pass(S + BREAKER_PAUSE, Urgency::Needed).is_ok());
}

// HARD 16
#[test]
fn refusals_do_not_trip_the_breaker_and_retry_after_is_kept_up_to_an_hour() {
    let gate = Gate::default();
    let refused = Failure::Refused { code: "invalid_client".into(), advice: "" };
    (0..20).for_each(|_| gate.pass(S, Urgency::Needed).unwrap().failed(&refused, S));
    assert!(gate.pass(S, Urgency::Needed).is_ok());

    let limited = |seconds| Failure::RateLimited { retry_after: Some(Duration::from_secs(seconds)) };
    gate.pass(S, Urgency::Needed).unwrap().failed(&limited(60), S);
    assert_eq!(gate.pass(S * 2, Urgency::Needed).unwrap_err().left(), Duration::from_secs(59));
    gate.pass(S * 61, Urgency::Needed).unwrap().failed(&limited(1_000_000), S * 61);
    assert_eq!(gate.pass(S * 61, Urgency::Needed).unwrap_err().left(), LONGEST_RETRY_AFTER);
    assert!(!gate.is_open());
}

// HARD 16
#[test]
fn a_success_elsewhere_does_not_end_the_pause_that_the_server_asked_for() {
    let gate = Gate::default();
    let (slow, limited) = (gate.pass(S, Urgency::Needed).unwrap(), gate.pass(S, Urgency::Needed).unwrap());
    limited.failed(&Failure::RateLimited { retry_after: Some(S * 60) }, S);
    slow.succeeded();
    assert_eq!(gate.pass(S, Urgency::Needed).unwrap_err(), Closed::Asked { left: S * 60 });
}

// HARD 16
#[test]
fn failures_count_only_in_a_row_and_a_server_that_refuses_or_limits_is_alive() {
    let alive = [
        Failure::Refused { code: "invalid_client".into(), advice: "" },
        Failure::RateLimited { retry_after: None },
    ];
    for answer in alive {
        let gate = Gate::default();
        for _ in 0..10 {
            (0..4).for_each(|_| gate.pass(S, Urgency::Needed).unwrap().failed(&broken(), S));
            gate.pass(S, Urgency::Needed).unwrap().failed(&answer, S);
        }
        assert!(!gate.is_open());
        (0..5).for_each(|_| gate.pass(S, Urgency::Needed).unwrap().failed(&broken(), S));
        gate.pass(S + BREAKER_PAUSE, Urgency::Needed).unwrap().failed(&answer, S + BREAKER_PAUSE);
        assert!(!gate.is_open(), "the probe was answered");
    }
}

fn limit(left: u64) -> Limit {
    Limit { name: "per_hour", most: 10, left, resets_in: 100 * S }
}

// HARD 16
#[test]
fn a_request_from_before_the_breaker_opened_makes_no_room_for_a_second_probe() {
    let gate = Gate::default();
    let slow = gate.pass(S, Urgency::Needed).unwrap();
    (0..5).for_each(|_| gate.pass(S, Urgency::Needed).unwrap().failed(&broken(), S));
    let later = S + BREAKER_PAUSE;
    let _probe = gate.pass(later, Urgency::Needed).unwrap();
    slow.failed(&Failure::Fault, later);
    assert!(gate.pass(later, Urgency::Needed).is_err());
}

fn told(gate: &Gate, limits: &[Limit], at: Duration) {
    gate.learn(&Quota { limits: limits.to_vec() }, at);
}

#[test]
fn a_zero_that_the_server_stated_closes_the_gate_until_it_begins_anew_and_our_own_count_does_not() {
    let gate = Gate::default();
    assert_eq!(gate.learn(&Quota { limits: vec![limit(1)] }, S), [true], "low for the first time");
    assert_eq!(gate.learn(&Quota { limits: vec![limit(1)] }, S), [false], "and told once");
    for _ in 0..5 {
        gate.pass(S, Urgency::Needed).unwrap().succeeded();
    }
    assert_eq!(gate.pass(2 * S, Urgency::Ahead).unwrap_err(), Closed::Spent { left: 99 * S });
    told(&gate, &[limit(0)], S);
    assert_eq!(gate.pass(2 * S, Urgency::Needed).unwrap_err(), Closed::Spent { left: 99 * S });
    assert!(gate.pass(101 * S, Urgency::Needed).is_ok(), "it has begun anew");
}

#[test]
fn one_request_goes_and_sees_each_hour_although_the_quota_is_spent_for_the_day() {
    let gate = Gate::default();
    told(&gate, &[Limit { resets_in: 86_400 * S, ..limit(0) }], S);
    let mut at = S;
    for _ in 0..3 {
        assert_eq!(gate.pass(at, Urgency::Needed).unwrap_err(), Closed::Spent { left: 3600 * S });
        at += 3600 * S;
        gate.pass(at, Urgency::Needed).unwrap().failed(&Failure::RateLimited { retry_after: None }, at);
    }
}

#[test]
fn what_never_left_is_given_back() {
    let refused = FetchError::Connect { url: "as".into(), reason: "connection refused".into() };
    let never_left = [
        Failure::Unreachable(refused),
        Failure::ReauthRequired { reason: "spent".into() },
        Failure::Credential { reason: "no such file".into() },
    ];
    for failure in never_left {
        let gate = Gate::default();
        told(&gate, &[limit(3)], S);
        for _ in 0..4 {
            gate.pass(2 * S, Urgency::Ahead).unwrap().failed(&failure, 2 * S);
        }
        assert!(gate.pass(2 * S, Urgency::Ahead).is_ok(), "{failure}");
        // Nor was it the one that goes and sees.
        let gate = Gate::default();
        told(&gate, &[Limit { resets_in: 86_400 * S, ..limit(0) }], S);
        gate.pass(3601 * S, Urgency::Needed).unwrap().failed(&failure, 3601 * S);
        assert!(gate.pass(3602 * S, Urgency::Needed).is_ok(), "{failure}");
    }
    let gate = Gate::default();
    told(&gate, &[limit(3)], S);
    for _ in 0..2 {
        gate.pass(2 * S, Urgency::Ahead).unwrap().failed(&broken(), 2 * S);
    }
    assert!(gate.pass(2 * S, Urgency::Ahead).is_err(), "a server that answered has counted it, perhaps");
}

#[test]
fn what_an_answer_does_not_name_stays_as_it_was_told() {
    let gate = Gate::default();
    told(&gate, &[limit(0)], S);
    told(&gate, &[Limit { name: "per_day", ..limit(9) }], 2 * S);
    assert_eq!(gate.pass(2 * S, Urgency::Needed).unwrap_err(), Closed::Spent { left: 99 * S });
    told(&gate, &[limit(9)], 3 * S);
    assert!(gate.pass(3 * S, Urgency::Needed).is_ok());
}

#[test]
fn one_organizations_limit_keeps_nobody_back() {
    let gate = Gate::default();
    told(&gate, &[Limit { name: "organization_per_hour", ..limit(0) }], S);
    assert!(gate.pass(S, Urgency::Ahead).is_ok());
    assert!(gate.pass(S, Urgency::Needed).is_ok());
}

#[test]
fn a_limit_that_is_told_by_the_clock_keeps_nobody_back_for_more_than_five_minutes() {
    let gate = Gate::default();
    told(&gate, &[Limit { name: "requests", resets_in: 86_400 * S, ..limit(0) }], S);
    assert_eq!(gate.pass(S, Urgency::Needed).unwrap_err(), Closed::Spent { left: 300 * S });
    assert!(gate.pass(301 * S, Urgency::Needed).is_ok());
}

#[test]
fn what_can_wait_does_while_the_quota_is_low() {
    let gate = Gate::default();
    gate.learn(&Quota { limits: vec![limit(5)] }, S);
    assert!(gate.pass(S, Urgency::Ahead).is_ok(), "half is left");
    gate.learn(&Quota { limits: vec![limit(1)] }, S);
    assert_eq!(gate.pass(S, Urgency::Ahead).unwrap_err(), Closed::Spent { left: 50 * S });
    assert!(gate.pass(51 * S, Urgency::Ahead).is_ok(), "spaced out over the time that is left");
    assert!(gate.pass(52 * S, Urgency::Ahead).is_err());
}
