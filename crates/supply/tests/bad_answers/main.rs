//! Every bad answer of a token endpoint that the testbed can give, each with the outcome that it must have.
//!
//! ```text
//! row: a shape and what is expected of it
//!   ├─ one request ──► the failure's kind, its word, whether it passes, what gate and breaker make of it
//!   ├─ cold manager ─► callers are told within their patience, the server is asked seldom, and healing is enough
//!   ├─ good token ───► goes on being served without an error, and is replaced when the server is well again
//!   └─ all of it ────► shows neither the planted words of the answer, nor the secret, nor a token
//! ```
//! Sockets are real, time is moved: nothing here sleeps.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bodies;
mod check;
mod endless;
mod hidden;
mod lifetimes;
mod reuse;
mod row;
mod statuses;
mod tls;
mod transport;
mod watched;
mod world;
