//! The real entry, keeper and handle under a scheduler that tries orders of their steps by the thousand.
//!
//! `cargo test -p bearward-supply --features shuttle --lib model`. Each scenario runs under random orders, and under orders
//! with few switches at unlikely places (PCT: *A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs*).
//! With the feature every other test of the crate is to be left alone: it would miss the scheduler.
//! A caller that waits for ever is a deadlock to the scheduler, for here no patience ends.

mod ends;
mod flights;
mod logout;
mod scene;
pub(crate) mod sync;
