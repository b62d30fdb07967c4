//! Logging to stderr: for people on a terminal, JSON otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What to log when nobody says otherwise.
const DEFAULT: &str = "info";

/// Starts logging. `level` is a `tracing` filter such as `debug` or `bearward_guard=trace,info`.
///
/// Libraries that see headers and bodies stay at `info` whatever is asked, since they may print what they
/// carry (HARD 20).
pub fn start(level: Option<&str>) {
    let asked = EnvFilter::try_new(level.unwrap_or(DEFAULT)).unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let quiet = ["hyper", "hyper_util", "h2", "reqwest", "rustls", "rmcp", "tower_http"];
    let directives = quiet.iter().filter_map(|target| format!("{target}=info").parse().ok());
    let filter = directives.fold(asked, EnvFilter::add_directive);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start (in tests) keeps the first.
    let _ = if std::io::stderr().is_terminal() {
        log.with_target(false).try_init()
    } else {
        log.json().flatten_event(true).try_init()
    };
}
