//! The behaviours that decide whether a token manager is good, each against a scripted grant and a clock
//! that only moves when told to.

mod clocks;
mod failures;
mod flights;
mod lifecycle;
mod refused;
mod scene;
mod window;
