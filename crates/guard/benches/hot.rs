//! The hot pieces by themselves: a token that is remembered, and one that is not, for each algorithm.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on fails")]

mod scene;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearward_testbed::{Algorithm as SignWith, SigningKey};
use criterion::{Criterion, criterion_group, criterion_main};

use scene::{good, guard, public, request};

fn verification(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for kind in SignWith::ALL {
        let name = kind.name();
        let key = Arc::new(SigningKey::generate(kind));
        let token = good(&key).build();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (public, signature) = (public(&key, kind), URL_SAFE_NO_PAD.decode(signature).unwrap());
        c.bench_function(&format!("{name} signature alone"), |b| {
            b.iter(|| public.verify_sig(black_box(message.as_bytes()), black_box(&signature)).unwrap());
        });
        let headers = request(&token);
        // What is remembered is the same whatever signed it.
        let remembered = (kind == SignWith::Rs256).then_some(("remembered", Duration::from_secs(60)));
        for (what, ttl) in [("cold", Duration::ZERO)].into_iter().chain(remembered) {
            let guard = guard(&runtime, &key, ttl);
            c.bench_function(&format!("{name} {what}"), |b| {
                b.iter(|| runtime.block_on(guard.admit(black_box(&headers), None, None)).unwrap());
            });
        }
    }
}

criterion_group!(benches, verification);
criterion_main!(benches);
