//! Logging to stderr: for people on a terminal, JSON otherwise.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// What to log when nobody says otherwise.
const DEFAULT: &str = "info";

/// Libraries that see headers and bodies, and may print them at finer levels (HARD 20).
const SEE_SECRETS: [&str; 8] = ["hyper", "h2", "reqwest", "rustls", "tokio_rustls", "rmcp", "tower", "axum"];

/// Starts logging. `level` is a `tracing` filter such as `debug` or `bearward_guard=trace,info`.
///
/// Whatever is asked, libraries that carry tokens never log more finely than `info`.
///
/// # Errors
/// What is wrong with the filter.
pub fn start(level: Option<&str>) -> Result<(), String> {
    let text = level.unwrap_or(DEFAULT);
    let asked = EnvFilter::try_new(text).map_err(|error| {
        format!("`{text}` is no log filter ({error}): write `debug`, or `bearward_guard=trace,info`")
    })?;
    let filter = asked.and(filter_fn(is_harmless));
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A second start (in tests) keeps the first.
    let _ = if std::io::stderr().is_terminal() {
        tracing_subscriber::registry().with(log.with_target(false).with_filter(filter)).try_init()
    } else {
        tracing_subscriber::registry().with(log.json().flatten_event(true).with_filter(filter)).try_init()
    };
    Ok(())
}

fn is_harmless(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO
        || !SEE_SECRETS.iter().any(|library| metadata.target().starts_with(library))
}
