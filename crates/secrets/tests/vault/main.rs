//! Secrets in Vault, against a stand-in that speaks its HTTP API.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod bad_days;
mod closing;
mod keeping;
mod login;
mod reading;
mod scene;
mod silence;
