//! What happens to the machine: its wall clock is set, by an hour and back, and it is suspended.

use std::time::Duration;

use bearward_token::Clock;
use fastrand::Rng;

use crate::chance::{between, hours, mins, pause};
use crate::clock::WorldClock;

const HOUR_MS: i64 = 3_600_000;

/// Sets the wall clock every few hours, and sets it right again.
pub(crate) async fn set_the_clock(clock: WorldClock, mut random: Rng) {
    loop {
        clock.sleep(pause(&mut random, hours(5))).await;
        let by = if random.bool() { HOUR_MS } else { -HOUR_MS };
        clock.step_wall(by);
        clock.sleep(between(&mut random, mins(1), mins(40))).await;
        clock.step_wall(-by);
    }
}

/// Suspends the machine every few hours.
pub(crate) async fn suspend(clock: WorldClock, mut random: Rng) {
    loop {
        clock.sleep(pause(&mut random, hours(7))).await;
        clock.suspend(between(&mut random, Duration::from_secs(20), hours(2)));
    }
}
