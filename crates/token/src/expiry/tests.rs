use super::*;
use crate::ManualClock;

const HOUR: Duration = Duration::from_secs(3600);

// HARD 9
#[test]
fn a_wall_clock_set_back_does_not_keep_a_token_alive() {
    let clock = ManualClock::at_unix_ms(10_000_000);
    let expiry = Expiry::after(&clock, Duration::from_secs(60));
    clock.step_wall(-3_600_000);
    clock.advance(Duration::from_secs(60));
    assert!(expiry.is_past(&clock));
}

// HARD 9
#[test]
fn a_suspended_machine_does_not_keep_a_token_alive() {
    let clock = ManualClock::at_unix_ms(10_000_000);
    let expiry = Expiry::after(&clock, HOUR);
    clock.suspend(HOUR);
    assert!(expiry.is_past(&clock));
}

// HARD 9
#[test]
fn expiry_counts_from_the_moment_it_was_taken_and_holds_at_the_boundary() {
    let clock = ManualClock::at_unix_ms(0);
    let sent = Moment::now(&clock);
    clock.advance(Duration::from_secs(10));
    let expiry = sent.plus(Duration::from_secs(60));
    assert_eq!(expiry.left(&clock), Duration::from_secs(50));
    clock.advance(Duration::from_millis(49_999));
    assert!(!expiry.is_past(&clock));
    clock.advance(Duration::from_millis(1));
    assert!(expiry.is_past(&clock));
}
