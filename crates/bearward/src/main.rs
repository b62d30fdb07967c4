//! Bearward: the bearer-token layer for the Model Context Protocol.

use bearward::cli::{Cli, exit::Exit};
use clap::Parser;

/// The same on every system; musl's own is slow where there are several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Exit {
    Cli::parse().run()
}
