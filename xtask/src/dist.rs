//! The binary for production: built once so that it counts what it does, put to work, and built again with the counts.
//!
//! What runs often then stands together and what hardly runs is out of the way, which is worth about a tenth of a
//! request's time (docs/adr/0022). `cargo build --release` makes the same program without it.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::cargo::cargo;
use crate::outcome::Stop;
use crate::root::target;
use crate::step;
use crate::tools::profdata;

/// Builds target/dist/bearward. Takes two release builds' time.
#[derive(Debug, Args)]
#[command(after_help = "What is needed beyond Rust: llvm-profdata, of LLVM 19 or later. It comes with\n  \
    rustup component add llvm-tools        or, on Debian, with\n  \
    apt-get install llvm-19                which is done here where we are root")]
pub(crate) struct Dist {
    /// Only says where the binary is, and builds nothing.
    #[arg(long)]
    path: bool,
}

impl Dist {
    /// Counts, puts to work, builds.
    ///
    /// # Errors
    /// When a build fails, the server does not do its work, or there is no `llvm-profdata`.
    pub(crate) fn run(&self) -> Result<(), Stop> {
        if !self.path {
            build()?;
        }
        println!("{}", binary().display());
        Ok(())
    }
}

/// Where the binary is, or will be.
pub(crate) fn binary() -> PathBuf {
    folder().join("bearward")
}

/// Builds the binary.
///
/// # Errors
/// As [`Dist::run`].
pub(crate) fn build() -> Result<(), Stop> {
    // Before the builds, which take their time.
    let profdata = profdata::find()?;
    let host = host()?;
    let (raw, merged) = (folder().join("raw"), folder().join("bearward.profdata"));
    // What an earlier build has counted, and made of it, is of another program.
    match std::fs::remove_file(binary()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Stop::file(binary().display().to_string())(error));
        }
        _ => {}
    }
    if raw.exists() {
        std::fs::remove_dir_all(&raw).map_err(Stop::file(raw.display().to_string()))?;
    }
    std::fs::create_dir_all(&raw).map_err(Stop::file(raw.display().to_string()))?;
    let counting =
        server("the server, counting", "counted", &host, &format!("-Cprofile-generate={}", raw.display()))?;
    train(&counting, &raw)?;
    let mut merge = Command::new(profdata);
    // Also what never ran: it is made small then.
    merge.args(["merge", "-o"]).arg(&merged).arg(&raw);
    step::run("what it has counted", &mut merge)?;
    let built = server("the server", "optimized", &host, &format!("-Cprofile-use={}", merged.display()))?;
    // In its place at once: the one that is there may be running.
    let new = folder().join("bearward.new");
    let copied = std::fs::copy(built, &new).and_then(|_| std::fs::rename(&new, binary()));
    copied.map_err(Stop::file(binary().display().to_string()))
}

/// A release build with this flag; where its binary is.
fn server(what: &str, name: &str, host: &str, flag: &str) -> Result<PathBuf, Stop> {
    let target = folder().join(name);
    let build = ["build", "--locked", "--quiet", "--release", "--package", "bearward", "--bin", "bearward"];
    let mut command = cargo(&build);
    // For a target by name: what runs while it is built is then built without the flag.
    command
        .args(["--target", host])
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", beside(flag));
    step::run(what, &mut command)?;
    Ok(target.join(host).join("release/bearward"))
}

/// The caller's own flags and this one, as cargo takes flags that may hold spaces.
fn beside(flag: &str) -> String {
    let encoded = std::env::var("CARGO_ENCODED_RUSTFLAGS").ok();
    let plain =
        || std::env::var("RUSTFLAGS").unwrap_or_default().split_whitespace().collect::<Vec<_>>().join("\x1f");
    let own = encoded.unwrap_or_else(plain);
    if own.is_empty() { flag.to_owned() } else { format!("{own}\x1f{flag}") }
}

fn train(server: &Path, raw: &Path) -> Result<(), Stop> {
    // Not optimized itself: it only asks.
    let mut bench =
        cargo(&["test", "--locked", "--quiet", "--package", "bearward-tests", "--bench", "training"]);
    bench.env("BEARWARD_BIN", server).env("LLVM_PROFILE_FILE", raw.join("%p.profraw"));
    step::run("a server's day", &mut bench)
}

/// This machine, as `rustc` calls it.
fn host() -> Result<String, Stop> {
    let said = step::run_quietly("which machine this is", Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Stop::Failed("rustc does not say which machine this is".into()))
}

fn folder() -> PathBuf {
    target().join("dist")
}
