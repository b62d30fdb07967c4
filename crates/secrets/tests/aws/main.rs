//! Secrets in AWS Secrets Manager, against moto's server, which answers as AWS does.
//!
//! `cargo xtask test` installs it and says where its Python is; elsewhere these tests record that they were skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod moto;
mod reading;
