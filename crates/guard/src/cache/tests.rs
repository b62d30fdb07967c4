#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bearward_token::ManualClock;

use super::*;
use crate::claims::tests::principal;

const NOW_MS: u64 = 1_800_000_000_000;

fn cache(entries: u64, ttl: u64) -> (Cache, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at_unix_ms(NOW_MS));
    (Cache::new(entries, Duration::from_secs(ttl), clock.clone()), clock)
}

/// Of a token that lives for so many seconds.
fn finding(lifetime: u64) -> Finding {
    let mut principal = principal();
    // Its own copy, as each verified token has.
    principal.claims = Arc::new((*principal.claims).clone());
    Finding::for_tests(principal, NOW_MS + lifetime * 1000)
}

/// Resident memory of this process, in MiB.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096 / (1024 * 1024)
}

#[test]
fn a_token_is_remembered_for_the_ttl_and_never_past_its_end() {
    let (cache, clock) = cache(10, 60);
    let (long, short) = (Unverified::new("long"), Unverified::new("short"));
    cache.insert(long, finding(3600));
    cache.insert(short, finding(10));
    let left = |token: &str| cache.remembers(&Fingerprint::of(token)).map(|left| left.as_secs());
    assert_eq!((left("long"), left("short"), left("other")), (Some(60), Some(10), None));
    clock.advance(Duration::from_secs(10));
    assert!(cache.get(short).is_none() && cache.get(long).is_some());
    assert_eq!((left("long"), left("short")), (Some(50), None));
    clock.advance(Duration::from_secs(50));
    assert!(cache.get(long).is_none());
}

// HARD 24
#[test]
fn another_token_finds_nothing_however_alike() {
    let (cache, _) = cache(10, 60);
    cache.insert(Unverified::new("a.b.c"), finding(60));
    for other in ["a.b.C", "a.b.c ", " a.b.c", "a.b.", "A.b.c", "a.b.cc", ""] {
        assert!(cache.get(Unverified::new(other)).is_none(), "{other}");
    }
    assert!(cache.get(Unverified::new("a.b.c")).is_some());
}

// HARD 21
#[test]
fn a_million_distinct_tokens_in_a_row_leave_memory_bounded() {
    let (cache, _) = cache(10_000, 60);
    let fill = |from: u64, to: u64| {
        for n in from..to {
            let token = format!("{}{n:064}", "x".repeat(600));
            cache.insert(Unverified::new(&token), finding(3600));
            assert!(cache.entries.len() <= 12_000, "{n}");
        }
    };
    // What is full once stays as large as it is.
    fill(0, 50_000);
    let full = resident();
    fill(50_000, 1_000_000);
    let after = resident();
    assert!(cache.entries.len() <= 10_000, "{}", cache.entries.len());
    assert!(after <= full + 16, "{full} MiB when full, {after} MiB after a million");
    assert!(
        cache.get(Unverified::new(&format!("{}{:064}", "x".repeat(600), 999_999))).is_some(),
        "the newest stays"
    );
}

#[test]
fn large_tokens_take_the_room_of_several() {
    let (cache, _) = cache(100, 60);
    for n in 0..200 {
        cache.insert(Unverified::new(&format!("{n}{}", "x".repeat(16_000))), finding(60));
    }
    let count = cache.entries.len();
    assert!((1..=10).contains(&count), "{count}: 100 usual ones are about eight of these");
}

#[test]
fn what_was_said_of_a_short_token_counts_as_long_as_it_is() {
    let (cache, _) = cache(100, 60);
    for n in 0..200 {
        let mut finding = finding(60);
        let claims = serde_json::json!({"org": {"groups": vec!["x".repeat(100); 1000]}});
        finding.replace_claims(claims.as_object().unwrap().clone());
        cache.insert(Unverified::new(&format!("oat_{n}")), finding);
    }
    let count = cache.entries.len();
    assert!(count <= 2, "{count}: 100 usual ones are about one of these");
}
