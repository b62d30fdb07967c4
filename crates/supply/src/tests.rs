//! The behaviours that decide whether a token manager is good, each against a scripted grant and a clock
//! that only moves when told to.

mod by_key;
mod clocks;
mod failures;
mod flights;
mod id_tokens;
mod lifecycle;
mod logout;
mod on_use;
mod quotas;
mod refused;
mod scene;
pub(crate) mod server;
mod warm_start;
mod window;
