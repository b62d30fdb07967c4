//! What a request pays for the user's login: who decides whether it is reused, and the header, while the token is in memory.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    dead_code,
    reason = "a measurement that cannot go on fails; its scene is that of the tests"
)]

#[path = "../tests/reuse/scene.rs"]
mod scene;

use std::hint::black_box;

use bearward_client::{Attached, Choice};
use criterion::{Criterion, criterion_group, criterion_main};

use scene::{Scene, TOOLS};

fn reuse(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    // Kept: its token manager stops with it.
    let scene = Scene::new();
    let reuse = scene.reuse();
    let destination = TOOLS.parse().unwrap();
    c.bench_function("seven levels decide", |b| {
        b.iter(|| {
            let levels = reuse.levels(black_box(Choice::default()));
            (levels.reuse(), levels.mode())
        });
    });
    let header = || runtime.block_on(reuse.build_auth_header(black_box(&destination), Choice::default()));
    let first = header();
    assert!(matches!(first, Ok(Attached::Bearer { .. })), "{first:?}");
    c.bench_function("header of a user's token", |b| b.iter(|| header().unwrap()));
}

criterion_group!(benches, reuse);
criterion_main!(benches);
