//! What a page's request pays at the broker: the checks against other sites' pages, its cookie, its session and the token
//! that is in memory. Sessions are in memory here; sealed, each request reads its record as well (`bearward-store`'s
//! bench `sealed`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    dead_code,
    reason = "a measurement that cannot go on fails; its scene is that of the tests"
)]

#[path = "../tests/broker/breaking.rs"]
mod breaking;
#[path = "../tests/broker/page.rs"]
mod page;
#[path = "../tests/broker/scene.rs"]
mod scene;

use axum::http::{HeaderMap, header};
use bearward_broker::{CookieRules, Presented};
use cookie::SameSite;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use std::hint::black_box;

fn cookie(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut page = runtime.block_on(async {
        let mut page = page::page().await;
        assert_eq!(page.sign_in("/").await.status, 303);
        page
    });
    let all: Vec<_> = page.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let headers = HeaderMap::from_iter([(header::COOKIE, all.join("; ").parse().unwrap())]);
    let rules = CookieRules::secure("session", SameSite::Lax);
    assert!(matches!(rules.presented(&headers), Presented::One(_)));
    c.bench_function("the session's cookie among others", |b| {
        b.iter(|| rules.presented(black_box(&headers)));
    });
    let wanted = json!({"provider": "tools"});
    let mut exchange = || runtime.block_on(page.post("/auth/broker/exchange", &wanted)).status;
    assert_eq!(exchange(), 200);
    c.bench_function("a token for a page, which is in memory", |b| b.iter(|| assert_eq!(exchange(), 200)));
}

criterion_group!(benches, cookie);
criterion_main!(benches);
