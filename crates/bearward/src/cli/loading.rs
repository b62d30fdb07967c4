//! Finds the configuration that a command works with, and says what is wrong with it.

use std::path::{Path, PathBuf};

use bearward_client::Choice;

use super::exit::Exit;
use crate::config::{Environment, Loaded, load, load_environment};

/// The configuration in a file, or without one what stands in the environment. What is wrong is printed.
pub(super) fn loaded(file: Option<&Path>) -> Result<Loaded, Exit> {
    loaded_with(file, Choice::default())
}

/// The same with what the command line says of reuse.
pub(super) fn loaded_with(file: Option<&Path>, flags: Choice) -> Result<Loaded, Exit> {
    let environment = Environment::of_process().with_flags(flags);
    let loaded = match file {
        Some(file) => load(file, environment),
        None => load_environment(environment),
    };
    loaded.map_err(|errors| {
        eprintln!("{:?}", miette::Report::new(errors));
        Exit::Usage
    })
}

/// The file that was named, or else `bearward.yaml` where there is one.
pub(super) fn usual(named: Option<&Path>) -> Option<PathBuf> {
    let usual = Path::new("bearward.yaml");
    named.or_else(|| usual.exists().then_some(usual)).map(Path::to_owned)
}
