//! `cargo xtask test`.

use crate::shell::{cargo, has, run};

pub(crate) fn test() -> Result<(), String> {
    let mut tests = if has("nextest") {
        cargo(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"])
    } else {
        cargo(&["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"])
    };
    run("tests", &mut tests)?;
    run(
        "examples in the documentation",
        &mut cargo(&["test", "--workspace", "--locked", "--doc", "--quiet"]),
    )?;
    run("the tour of the demo", &mut cargo(&["run", "--locked", "--quiet", "--", "demo", "--check"]))
}
