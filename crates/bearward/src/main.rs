//! Bearward: the bearer-token layer for the Model Context Protocol.

use bearward::cli::{Cli, exit::Exit};
use clap::Parser;

fn main() -> Exit {
    Cli::parse().run()
}
