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
        gate.pass(S).unwrap().failed(&broken(), S);
    }
    assert_eq!(gate.pass(S).unwrap_err(), Closed::Open { left: BREAKER_PAUSE, failures: 5 });

    let later = S + BREAKER_PAUSE;
    let probe = gate.pass(later).unwrap();
    assert!(gate.pass(later).is_err(), "one probe at a time");
    probe.failed(&broken(), later);
    assert!(gate.pass(later).is_err(), "open again");

    gate.pass(later + BREAKER_PAUSE).unwrap().succeeded();
    assert!(!gate.is_open());
    assert!(gate.pass(later + BREAKER_PAUSE).is_ok());
}

// HARD 16
#[test]
fn a_probe_that_is_dropped_does_not_close_the_gate_for_ever() {
    let gate = Gate::default();
    (0..5).for_each(|_| gate.pass(S).unwrap().failed(&broken(), S));
    drop(gate.pass(S + BREAKER_PAUSE).unwrap());
    assert!(gate.pass(S + BREAKER_PAUSE).is_ok());
}

// HARD 16
#[test]
fn refusals_do_not_trip_the_breaker_and_retry_after_is_kept_up_to_an_hour() {
    let gate = Gate::default();
    let refused = Failure::Refused { code: "invalid_client".into(), advice: "" };
    (0..20).for_each(|_| gate.pass(S).unwrap().failed(&refused, S));
    assert!(gate.pass(S).is_ok());

    let limited = |seconds| Failure::RateLimited { retry_after: Some(Duration::from_secs(seconds)) };
    gate.pass(S).unwrap().failed(&limited(60), S);
    assert_eq!(gate.pass(S * 2).unwrap_err().left(), Duration::from_secs(59));
    gate.pass(S * 61).unwrap().failed(&limited(1_000_000), S * 61);
    assert_eq!(gate.pass(S * 61).unwrap_err().left(), LONGEST_RETRY_AFTER);
    assert!(!gate.is_open());
}

// HARD 16
#[test]
fn a_success_elsewhere_does_not_end_the_pause_that_the_server_asked_for() {
    let gate = Gate::default();
    let (slow, limited) = (gate.pass(S).unwrap(), gate.pass(S).unwrap());
    limited.failed(&Failure::RateLimited { retry_after: Some(S * 60) }, S);
    slow.succeeded();
    assert_eq!(gate.pass(S).unwrap_err(), Closed::Asked { left: S * 60 });
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
            (0..4).for_each(|_| gate.pass(S).unwrap().failed(&broken(), S));
            gate.pass(S).unwrap().failed(&answer, S);
        }
        assert!(!gate.is_open());
        (0..5).for_each(|_| gate.pass(S).unwrap().failed(&broken(), S));
        gate.pass(S + BREAKER_PAUSE).unwrap().failed(&answer, S + BREAKER_PAUSE);
        assert!(!gate.is_open(), "the probe was answered");
    }
}
