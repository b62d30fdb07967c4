//! What verification costs: a token that is remembered, one that is not, beside the bare signature check of `aws-lc-rs`
//! with the same key, and refusals beside acceptances.

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

use scene::{KINDS, good, guard, public, request};

/// Each figure is the best of so many batches: what the machine does beside only ever adds.
const BATCHES: usize = 30;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("{:<34}{:>12}{:>10}", "", "time", "ratio");
    for (kind, name) in KINDS {
        let key = Arc::new(SigningKey::generate(kind));
        let token = good(&key).build();
        let bare = bare(&key, kind, &token);
        let cold = admit(&runtime, &guard(&runtime, &key, Duration::ZERO), &token, true);
        row(&format!("{name}, signature alone"), bare, None);
        row(&format!("{name}, cold"), cold, Some(cold.as_secs_f64() / bare.as_secs_f64()));
    }
    let key = Arc::new(SigningKey::generate(SignWith::Rs256));
    let token = good(&key).build();
    let remembering = guard(&runtime, &key, Duration::from_secs(60));
    let hit = admit(&runtime, &remembering, &token, true);
    row(&format!("remembered ({} bytes)", token.len()), hit, None);

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
}

fn row(name: &str, time: Duration, ratio: Option<f64>) {
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}×"));
    println!("{name:<34}{:>9.2} µs{ratio:>10}", time.as_secs_f64() * 1e6);
}

/// One request's judgement, everything included.
fn admit(runtime: &Runtime, guard: &Guard, token: &str, is_good: bool) -> Duration {
    let headers = request(token);
    best(|| {
        let outcome = runtime.block_on(guard.admit(black_box(&headers), None, None));
        assert_eq!(outcome.is_ok(), is_good);
    })
}

/// The signature check alone, with a key that is parsed already.
fn bare(key: &SigningKey, kind: SignWith, token: &str) -> Duration {
    let public = public(key, kind);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    best(|| public.verify_sig(black_box(message.as_bytes()), black_box(&signature)).unwrap())
}

fn best(mut once: impl FnMut()) -> Duration {
    // Long enough for the clock, short enough for many.
    let rounds = {
        let started = Instant::now();
        (0..10).for_each(|_| once());
        (Duration::from_millis(5).as_nanos() / (started.elapsed().as_nanos() / 10).max(1)).clamp(1, 100_000)
            as u32
    };
    let batch = |_| {
        let started = Instant::now();
        (0..rounds).for_each(|_| once());
        started.elapsed() / rounds
    };
    (0..BATCHES).map(batch).min().unwrap()
}
