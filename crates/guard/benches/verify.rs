//! What verification costs: a token that is remembered, one that is not, beside the bare signature check of `aws-lc-rs`
//! with the same key, and refusals beside acceptances. Where a promise is not kept, the run fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on fails"
)]

mod scene;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_guard::Guard;
use bearward_testbed::{Algorithm as SignWith, SigningKey};
use tokio::runtime::Runtime;

use scene::{good, guard, public, request};

/// What is promised: a cold RS256 in so many of the bare signature check, and a token that is remembered in so long.
const MOST_COLD: f64 = 1.3;
/// A slow second of the machine is no broken promise; what is broken is so each time.
const TRIES: usize = 3;
const MOST_REMEMBERED: Duration = Duration::from_micros(1);
/// Each figure is the best of so many batches: what the machine does beside only ever adds.
const BATCHES: usize = 400;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("{:<34}{:>12}{:>10}", "", "time", "ratio");
    let mut broken = Vec::new();
    for kind in SignWith::ALL {
        let name = kind.name();
        let key = Arc::new(SigningKey::generate(kind));
        let token = good(&key).build();
        let forgetful = guard(&runtime, &key, Duration::ZERO);
        let mut is_kept = kind != SignWith::Rs256;
        for _ in 0..TRIES {
            let judged = judged(&runtime, &forgetful, &token, true);
            let (bare, cold) = in_turn(checked(&key, kind, &token), judged);
            row(&format!("{name}, signature alone"), bare, None);
            let ratio = cold.as_secs_f64() / bare.as_secs_f64();
            row(&format!("{name}, cold"), cold, Some(ratio));
            is_kept |= ratio <= MOST_COLD;
            if is_kept {
                break;
            }
        }
        if !is_kept {
            broken.push(format!("a cold RS256 in at most {MOST_COLD} times its signature check"));
        }
    }
    let key = Arc::new(SigningKey::generate(SignWith::Rs256));
    let token = good(&key).build();
    let remembering = guard(&runtime, &key, Duration::from_secs(60));
    let hit = admit(&runtime, &remembering, &token, true);
    row(&format!("remembered ({} bytes)", token.len()), hit, None);
    if hit > MOST_REMEMBERED {
        broken.push(format!("a remembered token in at most {MOST_REMEMBERED:?}"));
    }

    let forgetful = guard(&runtime, &key, Duration::ZERO);
    let accepted = admit(&runtime, &forgetful, &token, true);
    row("accepted, to compare", accepted, Some(1.0));
    let other = Arc::new(SigningKey::generate(SignWith::Rs256));
    let long = "a".repeat(16 * 1024);
    for (name, token) in [
        ("refused: garbage", "garbage".to_owned()),
        ("refused: expired", good(&key).claim("exp", 1).build()),
        ("refused: other audience", good(&key).audience("other").build()),
        ("refused: bad signature", good(&key).with_garbage_signature().build()),
        ("refused: forged", good(&key).forged_with(other).build()),
        ("refused: unknown key", good(&key).header("kid", "unknown").build()),
        ("refused: 16 KiB of letters", long),
        ("refused: 12 KiB of claims", good(&key).claim("exp", 1).claim("x", "y".repeat(9000)).build()),
    ] {
        let time = admit(&runtime, &forgetful, &token, false);
        row(name, time, Some(time.as_secs_f64() / accepted.as_secs_f64()));
    }
    assert!(broken.is_empty(), "not kept: {}", broken.join("; "));
}

fn row(name: &str, time: Duration, ratio: Option<f64>) {
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}×"));
    println!("{name:<34}{:>9.2} µs{ratio:>10}", time.as_secs_f64() * 1e6);
}

/// One request's judgement, everything included.
fn judged(runtime: &Runtime, guard: &Guard, token: &str, is_good: bool) -> impl FnMut() {
    let headers = request(token);
    move || {
        let outcome = runtime.block_on(guard.admit(black_box(&headers), None, None));
        assert_eq!(outcome.is_ok(), is_good);
    }
}

fn admit(runtime: &Runtime, guard: &Guard, token: &str, is_good: bool) -> Duration {
    in_turn(judged(runtime, guard, token, is_good), || {}).0
}

/// The signature check alone, with a key that is parsed already.
fn checked(key: &SigningKey, kind: SignWith, token: &str) -> impl FnMut() + use<> {
    let public = public(key, kind);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (message, signature) = (message.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap());
    move || public.verify_sig(black_box(message.as_bytes()), black_box(&signature)).unwrap()
}

/// Both by turns, so that a slow moment of the machine is both's.
fn in_turn(mut one: impl FnMut(), mut other: impl FnMut()) -> (Duration, Duration) {
    let rounds = (rounds_of(&mut one), rounds_of(&mut other));
    let batches = (0..BATCHES).map(|_| (batch(&mut one, rounds.0), batch(&mut other, rounds.1)));
    batches.reduce(|best, now| (best.0.min(now.0), best.1.min(now.1))).unwrap()
}

/// Long enough for the clock, short enough for many.
fn rounds_of(once: &mut impl FnMut()) -> u32 {
    let nanos = batch(once, 10).as_nanos().max(1);
    (Duration::from_millis(1).as_nanos() / nanos).clamp(1, 100_000) as u32
}

fn batch(once: &mut impl FnMut(), rounds: u32) -> Duration {
    let started = Instant::now();
    (0..rounds).for_each(|_| once());
    started.elapsed() / rounds
}
