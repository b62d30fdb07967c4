use bearward_token::ManualClock;

use super::*;

fn rate(count: u32, seconds: u64, burst: u32) -> Rate {
    let number = |n: u32| NonZeroU32::new(n).unwrap();
    Rate { burst: number(burst), ..Rate::new(number(count), Duration::from_secs(seconds)) }
}

fn caller(subject: &str, client: Option<&str>) -> Principal {
    let mut caller = crate::claims::tests::principal();
    caller.subject = subject.into();
    caller.client = client.map(Into::into);
    caller
}

fn limits(settings: &LimitSettings) -> (Limits, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at_unix_ms(0));
    (Limits::new(settings, clock.clone()), clock)
}

#[test]
fn a_subject_may_burst_and_then_goes_at_its_rate() {
    let (limits, clock) = limits(&LimitSettings { per_subject: Some(rate(2, 1, 5)), ..Default::default() });
    let alice = caller("alice", None);
    for _ in 0..5 {
        assert_eq!(limits.count(&alice), Ok(()));
    }
    let exceeded = limits.count(&alice).unwrap_err();
    assert_eq!((exceeded.policy, exceeded.retry_after), ("subject", Duration::from_millis(500)));
    assert_eq!(limits.count(&caller("bob", None)), Ok(()), "another has a rate of its own");
    clock.advance(Duration::from_millis(499));
    assert!(limits.count(&alice).is_err());
    clock.advance(Duration::from_millis(1));
    assert_eq!(limits.count(&alice), Ok(()));
    assert!(limits.count(&alice).is_err());
    clock.advance(Duration::from_secs(60));
    assert_eq!((0..10).filter(|_| limits.count(&alice).is_ok()).count(), 5, "never more than the burst");
}

#[test]
fn the_same_name_at_another_issuer_is_another_subject() {
    let (limits, _) = limits(&LimitSettings { per_subject: Some(rate(1, 60, 1)), ..Default::default() });
    let here = caller("alice", None);
    let there = Principal { issuer: "https://other.example".parse().unwrap(), ..here.clone() };
    assert!(limits.count(&here).is_ok() && limits.count(&there).is_ok());
    assert!(limits.count(&here).is_err() && limits.count(&there).is_err());
}

#[test]
fn clients_and_the_whole_guard_have_limits_of_their_own() {
    let per_client = LimitSettings { per_client: Some(rate(1, 60, 1)), ..Default::default() };
    let (limits_of_clients, _) = limits(&per_client);
    assert!(limits_of_clients.count(&caller("alice", Some("app"))).is_ok());
    assert_eq!(limits_of_clients.count(&caller("bob", Some("app"))).unwrap_err().policy, "client");
    assert!(limits_of_clients.count(&caller("bob", None)).is_ok(), "without a client there is none to limit");

    let (of_all, _) = limits(&LimitSettings { per_guard: Some(rate(1, 60, 2)), ..Default::default() });
    assert!(of_all.count(&caller("alice", None)).is_ok() && of_all.count(&caller("bob", None)).is_ok());
    assert_eq!(of_all.count(&caller("carol", None)).unwrap_err().policy, "guard");
}

#[test]
fn an_address_that_is_wrong_too_often_is_not_looked_at_for_a_while() {
    let (limits, clock) =
        limits(&LimitSettings { failures_per_address: Some(rate(6, 60, 3)), ..Default::default() });
    let (bad, good) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    for _ in 0..3 {
        limits.failed(bad);
        assert_eq!(limits.check_address(bad), Ok(()));
    }
    limits.failed(bad);
    let exceeded = limits.check_address(bad).unwrap_err();
    assert_eq!((exceeded.policy, exceeded.retry_after), ("address", Duration::from_secs(10)));
    assert_eq!(limits.check_address(good), Ok(()));
    clock.advance(Duration::from_secs(10));
    assert_eq!(limits.check_address(bad), Ok(()));
}

#[test]
fn addresses_of_one_ipv6_network_count_together_and_mapped_ones_as_ipv4() {
    let (limits, _) =
        limits(&LimitSettings { failures_per_address: Some(rate(1, 60, 1)), ..Default::default() });
    for address in ["2001:db8::1", "2001:db8::ffff", "10.0.0.1", "::ffff:10.0.0.1"] {
        limits.failed(address.parse().unwrap());
    }
    assert!(limits.check_address("2001:db8::2".parse().unwrap()).is_err());
    assert!(limits.check_address("2001:db8:0:1::1".parse().unwrap()).is_ok());
    assert!(limits.check_address("10.0.0.1".parse().unwrap()).is_err());
}

// HARD 21
#[test]
fn a_spray_of_subjects_and_addresses_leaves_memory_bounded() {
    let rate = Some(rate(1, 1, 1));
    let (limits, _) =
        limits(&LimitSettings { per_subject: rate, failures_per_address: rate, ..Default::default() });
    for n in 0..u32::try_from(MOST_STATES).unwrap() + 20_000 {
        let _ = limits.count(&caller(&format!("subject-{n}"), None));
        limits.failed(IpAddr::from(n.to_be_bytes()));
    }
    for states in [&limits.subjects.as_ref().unwrap().states, &limits.addresses.as_ref().unwrap().states] {
        assert!(states.len() <= MOST_STATES, "{}", states.len());
    }
}

#[test]
fn without_limits_nothing_is_limited() {
    let (limits, _) = limits(&LimitSettings::default());
    let address = "10.0.0.1".parse().unwrap();
    for _ in 0..1000 {
        assert_eq!(limits.count(&caller("alice", Some("app"))), Ok(()));
        limits.failed(address);
        assert_eq!(limits.check_address(address), Ok(()));
    }
}
