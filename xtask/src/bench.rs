//! What Bearward costs: its hot pieces by themselves, the whole of it beside other proxies, and in instructions.

mod instructions;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::cargo::cargo;
use crate::dist;
use crate::outcome::Stop;
use crate::root::target;
use crate::step;

/// All of it, or what is named.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask bench                                    all of it, which takes its time\n  \
    cargo xtask bench --proxy -- --rounds 5 --secs 4     beside nginx, HAProxy and a bare forwarder\n  \
    BEARWARD_BIN=target/release/bearward cargo xtask bench --proxy    the same of another binary\n  \
    cargo xtask bench --scale                            growth, start-up, size: what is promised, or an error\n  \
    cargo xtask bench --scale --only tokens,streams      these parts of it\n  \
    cargo xtask bench --instructions                     by callgrind, against the committed counts\n  \
    cargo xtask bench --instructions --accept            writes the counts down anew")]
pub(crate) struct Bench {
    /// The hot pieces, by criterion.
    #[arg(long)]
    pieces: bool,
    /// The proxy from end to end, beside others.
    #[arg(long)]
    proxy: bool,
    /// How the cost grows: with connections, tokens, open streams; start-up and size.
    #[arg(long)]
    scale: bool,
    /// Of how the cost grows these parts alone.
    #[arg(long, requires = "scale", value_delimiter = ',', value_name = "PART",
          value_parser = ["size", "start", "connections", "tokens", "streams"])]
    only: Vec<String>,
    /// Instructions of the guard's hot path, which say the same on every machine.
    #[arg(long)]
    instructions: bool,
    /// Takes what is counted for right.
    #[arg(long, requires = "instructions")]
    accept: bool,
    /// For the proxy: `--rounds N`, `--secs N`, `--connections N`, `--json`.
    #[arg(last = true, requires = "proxy", value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

impl Bench {
    /// Builds with optimizations, measures, prints.
    ///
    /// # Errors
    /// When it cannot be built, a call fails while it is measured, or the hot path has become slower.
    pub(crate) fn run(&self) -> Result<(), Stop> {
        let is_all = !(self.pieces || self.proxy || self.scale || self.instructions);
        if self.pieces || is_all {
            pieces()?;
        }
        if self.proxy || self.scale || is_all {
            let server = server()?;
            if self.proxy || is_all {
                let what = "the whole job, beside other proxies";
                step::run(
                    what,
                    with_the_server(&server, "proxy", &self.arguments).env("BEARWARD_BARE", bare()?),
                )?;
            }
            if self.scale || is_all {
                step::run("how what it costs grows", &mut with_the_server(&server, "scale", &self.only))?;
            }
        }
        if self.instructions || is_all {
            instructions::compare(self.accept)?;
        }
        Ok(())
    }
}

/// The server, as production has it; or another one, where `BEARWARD_BIN` says so.
fn server() -> Result<PathBuf, Stop> {
    let Some(other) = std::env::var_os("BEARWARD_BIN") else {
        dist::build()?;
        return Ok(dist::binary());
    };
    // What measures is started elsewhere.
    std::path::absolute(&other).map_err(Stop::file(other.display().to_string()))
}

/// The forwarder that does none of the job.
fn bare() -> Result<PathBuf, Stop> {
    let target = target();
    let mut command = cargo(&["build", "--locked", "--quiet", "--release", "--package", "bearward-gateway"]);
    // Where it is looked for, whatever else is set.
    command.args(["--example", "bare", "--target-dir"]).arg(&target).env_remove("CARGO_BUILD_TARGET");
    step::run("a forwarder that does none of the job", &mut command)?;
    Ok(target.join("release/examples/bare"))
}

fn with_the_server(server: &Path, name: &str, arguments: &[String]) -> Command {
    // Not optimized itself: it only asks, or starts what does.
    let mut command = cargo(&["test", "--locked", "--quiet", "--package", "bearward-tests", "--bench", name]);
    command.arg("--").args(arguments).env("BEARWARD_BIN", server);
    command
}

fn pieces() -> Result<(), Stop> {
    step::run("verification, beside the bare signature check", &mut bench("bearward-guard", "verify"))?;
    step::run("the hot pieces of verification", &mut bench("bearward-guard", "hot"))?;
    step::run("a token that is in memory", &mut bench("bearward-supply", "handout"))?;
    step::run("a user's login in a request", &mut bench("bearward-client", "reuse"))?;
    step::run("a sealed record", &mut bench("bearward-store", "sealed"))?;
    step::run("a page's cookie at the broker", &mut bench("bearward-broker", "cookie"))?;
    step::run("overhead of the guard over a direct call", &mut bench("bearward-tests", "overhead"))
}

fn bench(package: &str, name: &str) -> Command {
    cargo(&["bench", "--locked", "--quiet", "--package", package, "--bench", name])
}
