//! What a sealed record costs to read and to write: AES-256-GCM, the file, and for a write its way to the disk.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on fails")]

use std::sync::Arc;

use bearward_store::{Expected, Place, Purpose, SealedFiles, SealingKeys, Store};
use bearward_token::{RefreshToken, SealingKey, SystemClock};
use criterion::{Criterion, criterion_group, criterion_main};

fn sealed(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let keys = SealingKeys::parse([&SealingKey::new("ab".repeat(32))]).unwrap();
    let opened = SealedFiles::open(folder.path(), keys, Arc::new(SystemClock::new()));
    let files = runtime.block_on(opened).unwrap();
    let secret = RefreshToken::new("r".repeat(900));
    let write = || runtime.block_on(files.put(&place(), (&secret).into(), None, Expected::NewLogin));
    write().unwrap();
    let read = || runtime.block_on(files.get(&place()));
    assert!(read().unwrap().is_some());
    c.bench_function("a sealed record read", |b| b.iter(|| read().unwrap()));
    c.bench_function("a sealed record written", |b| b.iter(|| write().unwrap()));
}

fn place() -> Place {
    Place {
        tenant: None,
        issuer: "https://idp.example.com".parse().unwrap(),
        subject: Some("alice".into()),
        client: "desktop".into(),
        purpose: Purpose::RefreshToken,
        key: [7; 32],
    }
}

criterion_group!(benches, sealed);
criterion_main!(benches);
