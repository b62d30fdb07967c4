use super::*;

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

#[test]
fn a_spent_quota_closes_the_gate_until_it_begins_anew() {
    let gate = Gate::default();
    assert_eq!(gate.learn(&Quota { limits: vec![limit(1)] }, S), [true], "low for the first time");
    assert_eq!(gate.learn(&Quota { limits: vec![limit(1)] }, S), [false], "and told once");
    assert!(gate.pass(S, Urgency::Needed).is_ok(), "who must have a token gets the last one");
    assert_eq!(gate.pass(2 * S, Urgency::Needed).unwrap_err(), Closed::Spent { left: 99 * S });
    assert!(gate.pass(101 * S, Urgency::Needed).is_ok(), "it has begun anew");
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
