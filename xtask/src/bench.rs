//! What verification costs, what a token costs that is in memory, and what the guard adds to a direct call.

use crate::cargo::cargo;
use crate::outcome::Stop;
use crate::step;

/// Builds with optimizations, measures, prints.
///
/// # Errors
/// When it cannot be built, or a call fails while it is measured.
pub(crate) fn run() -> Result<(), Stop> {
    let overhead = ["bench", "--locked", "--quiet", "--package", "bearward-tests", "--bench", "overhead"];
    let verify = ["bench", "--locked", "--quiet", "--package", "bearward-guard", "--bench", "verify"];
    step::run("verification, beside the bare signature check", &mut cargo(&verify))?;
    let hot = ["bench", "--locked", "--quiet", "--package", "bearward-guard", "--bench", "hot"];
    step::run("the hot pieces of verification", &mut cargo(&hot))?;
    let handout = ["bench", "--locked", "--quiet", "--package", "bearward-supply", "--bench", "handout"];
    step::run("a token that is in memory", &mut cargo(&handout))?;
    step::run("overhead of the guard over a direct call", &mut cargo(&overhead))
}
