//! The guard's way of a request, over and over, for who counts its instructions: `cargo xtask bench --instructions`.
//!
//! `counted PIECE TIMES` does one piece so many times. What a run costs that does it never is taken off by whoever asks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on fails")]

mod scene;

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bearward_guard::limits::Rate;
use bearward_guard::policy::Rule;
use bearward_guard::{LimitSettings, Policy, ScopePolicy, agreement, message};
use bearward_testbed::{Algorithm, SigningKey};

use scene::{good, guard_of, request};

const BODY: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"weather","arguments":{"place":"Oslo"}}}"#;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    // Cargo's own call, of a bench that nobody asked for by name.
    let (Some(piece), Some(times)) = (words.next(), words.next()) else { return };
    let times: u32 = times.parse().expect("how many times");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = Arc::new(SigningKey::generate_as(Algorithm::Es256, "one"));
    let headers = request(&good(&key).build());
    let guard = guard_of(&runtime, &key, Duration::from_secs(60), |settings| {
        let rule = Rule {
            methods: vec![bearward_guard::Pattern::new("tools/call")],
            names: vec![bearward_guard::Pattern::new("*")],
            scopes: "notes:read".parse().unwrap(),
            roles: Vec::new(),
        };
        let rate = Rate::new(NonZeroU32::new(1_000_000).unwrap(), Duration::from_secs(1));
        let required = ScopePolicy::new("mcp".parse().unwrap(), Default::default(), Default::default());
        let limits = LimitSettings { per_subject: Some(rate), ..LimitSettings::default() };
        bearward_guard::GuardSettings {
            policy: Policy::new(vec![rule]),
            limits,
            scopes: required,
            ..settings
        }
    });
    let admit = || runtime.block_on(guard.admit(black_box(&headers), None, None)).unwrap();
    let caller = admit();
    for _ in 0..times {
        match piece.as_str() {
            "admitted, remembered" => drop(black_box(admit())),
            "message read" => drop(black_box(message::read(black_box(BODY)).unwrap())),
            "call authorized" => {
                let calls = message::read(BODY).unwrap();
                agreement::check(&headers, &calls).unwrap();
                guard.authorize(&caller, &calls).unwrap();
            }
            other => panic!("`{other}` is not measured"),
        }
    }
}
