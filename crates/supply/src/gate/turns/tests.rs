use super::*;

const S: Duration = Duration::from_secs(1);

fn turns(many: usize, end: Duration, urgency: Urgency) -> Vec<Duration> {
    let (mut turns, mut random) = (Turns::default(), fastrand::Rng::with_seed(7));
    (0..many).map(|_| turns.take(end, urgency, random.f64())).collect()
}

/// The most that come within any stretch of this length.
fn most_within(turns: &[Duration], stretch: Duration) -> usize {
    let within = |from: Duration| turns.iter().filter(|turn| (from..from + stretch).contains(*turn)).count();
    turns.iter().map(|from| within(*from)).max().unwrap()
}

#[test]
fn the_first_comes_when_the_pause_ends_and_nobody_before() {
    for urgency in [Urgency::Needed, Urgency::Ahead] {
        let turns = turns(100, 60 * S, urgency);
        assert_eq!(turns[0], 60 * S);
        assert!(turns[1..].iter().all(|turn| *turn > 60 * S), "{turns:?}");
    }
}

#[test]
fn the_line_grows_with_those_who_wait_and_ends_within_its_window() {
    for (many, longest) in [(2, Duration::from_millis(30)), (100, 3 * S), (10_000, 15 * S)] {
        let last = turns(many, 60 * S, Urgency::Needed).into_iter().max().unwrap();
        assert!(last <= 60 * S + longest, "{many}: {last:?}");
    }
    assert!(most_within(&turns(1000, S, Urgency::Needed), S) < 100);
    assert!(most_within(&turns(10_000, S, Urgency::Needed), S) < 1000);
    assert!(most_within(&turns(400, S, Urgency::Ahead), S) < 20);
}

#[test]
fn who_needs_a_token_does_not_stand_behind_those_who_can_wait() {
    let mut turns = Turns::default();
    for _ in 0..500 {
        turns.take(S, Urgency::Ahead, 0.5);
    }
    assert_eq!(turns.take(S, Urgency::Needed, 0.5), S);
}

#[test]
fn a_pause_that_was_made_longer_has_a_line_of_its_own() {
    let mut turns = Turns::default();
    for _ in 0..10 {
        turns.take(S, Urgency::Needed, 0.5);
    }
    assert_eq!(turns.take(30 * S, Urgency::Needed, 0.5), 30 * S);
}
