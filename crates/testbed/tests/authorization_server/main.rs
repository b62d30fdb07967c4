//! The authorization server as a client meets it, over HTTP: for each grant the good case and every refusal.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod client_credentials;
mod code;
mod faults;
mod keys;
mod metadata;
mod refresh;
mod tokens;
mod visitor;

mod exchange;
