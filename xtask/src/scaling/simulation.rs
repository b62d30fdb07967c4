//! Single requests of single users at instances that are chosen by lot, counted: what the model must agree with.

#![cfg(test)]

use std::collections::HashSet;

use super::model::{Fleet, VERDICT};

/// How many requests meet an instance that has not heard of their user in this window of so many seconds; of one user, on
/// the average.
fn counted(fleet: Fleet, users: u64, requests: u32, window_s: f64, seed: u64) -> f64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut firsts = 0_u64;
    for _ in 0..users {
        let mut heard = HashSet::new();
        for _ in 0..requests {
            let window = (random.f64() * 3600.0 / window_s) as u64;
            let instance = if fleet.is_shared { 0 } else { random.u64(0..fleet.instances) };
            firsts += u64::from(heard.insert((instance, window)));
        }
    }
    firsts as f64 / users as f64
}

#[test]
fn the_model_agrees_with_what_is_counted() {
    for (instances, is_shared) in [(1, false), (2, false), (20, false), (200, false), (200, true)] {
        let fleet = Fleet { instances, is_shared };
        for requests in [1, 10, 60, 600] {
            for window_s in [3600.0, VERDICT] {
                let expected = fleet.firsts(requests.into(), 3600.0 / window_s);
                let found = counted(fleet, 2_000, requests, window_s, 7);
                let is_near = (found - expected).abs() <= 0.02 * expected;
                assert!(is_near, "{fleet:?}, {requests} requests, {window_s} s: {found} and not {expected}");
            }
        }
    }
}
