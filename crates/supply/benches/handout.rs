//! What a request pays for a token that is in memory: time, and allocations, of which a configured key has none.
//!
//! Counted first, then timed: a piece that allocates more than stands beside it ends the run. The lookup of a caller's own is
//! the bounded cache's, which allocates once.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on fails")]

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bearward_observe::Observer;
use bearward_supply::{
    Grant, Granted, Handle, KeyParts, Label, Supplied, SupplyError, TokenKey, TokenManager, Upkeep, Wanted,
    grant::Requesting,
};
use bearward_token::{AccessToken, Clock, Fingerprint, SystemClock};
use criterion::{Criterion, criterion_group, criterion_main};

fn handout(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let Scene { clock, manager, fixed, on_use, label } = Scene::warm(&runtime);
    let (wanted, handle) = (Wanted::default(), manager.handle("fixed", &fixed, Arc::new(Day)));
    let token = now(handle.ensure_access(&wanted)).unwrap();
    let lookup = || -> Handle { manager.on_use(&label, &on_use, || Arc::new(Day)) };

    measure(c, "fresh, by handle", 0, || now(handle.ensure_access(black_box(&wanted))));
    measure(c, "fresh, by key", 0, || now(manager.ensure_access(black_box(&fixed), &wanted)));
    measure(c, "fresh, a caller's own by key", 2, || now(manager.ensure_access(black_box(&on_use), &wanted)));
    measure(c, "lookup of a caller's own", 1, || Ok(lookup()));
    measure(c, "lookup and fresh, a caller's own", 1, || now(lookup().ensure_access(&wanted)));
    measure(c, "header of a token", 0, || Ok(token.authorization(&*clock)));
}

/// Counts the allocations of one call, which are at most `most`, then times it.
fn measure<T>(c: &mut Criterion, name: &str, most: u64, mut once: impl FnMut() -> Result<T, SupplyError>) {
    // The first call may make what is made once.
    once().unwrap();
    let counted = allocation_counter::measure(|| drop(black_box(once()))).count_total;
    println!("{name}: {counted} allocations");
    assert!(counted <= most, "{name}: {counted} allocations, and {most} at most were promised");
    c.bench_function(name, |b| b.iter(|| once().unwrap()));
}

/// What is done at the first poll.
fn now(handing: impl Future<Output = Result<Supplied, SupplyError>>) -> Result<Supplied, SupplyError> {
    match pin!(handing).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("a token that is in memory was waited for"),
    }
}

/// A manager of many keys, all of which have their tokens.
struct Scene {
    clock: Arc<dyn Clock>,
    manager: TokenManager,
    fixed: TokenKey,
    on_use: TokenKey,
    label: Label,
}

impl Scene {
    /// Of a hundred providers, and a thousand callers.
    fn warm(runtime: &tokio::runtime::Runtime) -> Self {
        let (clock, observer): (Arc<dyn Clock>, _) = (Arc::new(SystemClock::new()), Observer::new());
        let manager = TokenManager::new(clock.clone(), observer.clone(), 7);
        let label = Label::new("callers", &observer);
        let wanted = Wanted::default();
        for nth in 0..100 {
            let name = format!("provider-{nth}");
            let handle = manager.shelved(&name, &key(&name), Arc::new(Day), Upkeep::Always, None);
            runtime.block_on(handle.ensure_access(&wanted)).unwrap();
        }
        for nth in 0..1000 {
            let handle = manager.on_use(&label, &key(&format!("caller-{nth}")), || Arc::new(Day));
            runtime.block_on(handle.ensure_access(&wanted)).unwrap();
        }
        Self { clock, manager, fixed: key("provider-50"), on_use: key("caller-500"), label }
    }
}

/// A token of a usual size that lives for a day.
#[derive(Debug)]
struct Day;

impl Grant for Day {
    fn request(&self) -> Requesting<'_> {
        let token = AccessToken::new("t".repeat(900));
        Box::pin(async { Ok(Granted::new(token, Duration::from_secs(24 * 3600))) })
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        None
    }
}

fn key(audience: &str) -> TokenKey {
    TokenKey::from(KeyParts {
        audience: Some(audience.into()),
        ..KeyParts::new("https://as.example".parse().unwrap(), "gateway", "client_credentials")
    })
}

criterion_group!(benches, handout);
criterion_main!(benches);
