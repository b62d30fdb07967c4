//! Bearward's configuration, command line and composition. Nothing imports this crate but its binary and
//! its tests.

pub mod background;
pub mod cli;
pub mod compose;
pub mod config;
pub mod demo;
mod revocation_file;
pub mod revocation_journal;
pub mod run;
pub mod sockets;
