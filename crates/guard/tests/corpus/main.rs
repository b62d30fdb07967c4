//! Hostile tokens and requests, each with the exact refusal and its reason; and good ones bent at random.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod claims;
mod forms;
mod headers;
mod keys;
mod mutations;
mod scene;
