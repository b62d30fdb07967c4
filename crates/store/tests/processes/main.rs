//! What takes more than one process to show: a kill at any instant, two writers, a full disk, a real keychain.
//!
//! A test that needs another process starts itself again with [`ROLE`](again::ROLE) set, and does the other part then.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod again;
#[cfg(unix)]
mod crash;
#[cfg(target_os = "linux")]
mod secret_service;
#[cfg(unix)]
mod writers;
