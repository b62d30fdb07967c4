//! `bearward serve`.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bearward_client::flags::ReuseFlags;
use bearward_observe::Observer;
use bearward_secrets::Secrets;
use bearward_token::SystemClock;
use clap::Args;
use tokio::runtime::{Builder, Runtime};

use super::config::exposed;
use super::exit::Exit;
use super::{loading, logging};
use crate::compose::{Surroundings, compose};
use crate::config::Loaded;
use crate::run::run;
use crate::sockets::Sockets;

/// Guard MCP servers and supply tokens, as a configuration file says.
///
/// Runs until SIGTERM or Ctrl-C; then open requests may end, for as long as `server.drain` says.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bearward serve --config bearward.yaml --log debug")]
pub struct Serve {
    /// The configuration file; without one a guard is read from the environment (`BASE_URL`, `MCP_BEARER_UPSTREAM_URL`,
    /// `MCP_BEARER_ISSUER` and their like).
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to log, as a filter: `info`, `debug`, `bearward_guard=trace,info`.
    #[arg(long, value_name = "FILTER", env = "BEARWARD_LOG")]
    log: Option<String>,
    #[command(flatten)]
    reuse: ReuseFlags,
}

impl Serve {
    pub(super) fn run(self) -> Exit {
        if let Err(error) = logging::start(self.log.as_deref()) {
            eprintln!("--log: {error}");
            return Exit::Usage;
        }
        let loaded = match loading::loaded_with(self.config.as_deref(), self.reuse.choice()) {
            Ok(loaded) => loaded,
            Err(exit) => return exit,
        };
        if !loaded.settings.serves() {
            tracing::error!(
                "there is nothing to serve: the configuration has no guard, no broker and no sidecar"
            );
            return Exit::Usage;
        }
        for warning in &loaded.warnings {
            let (line, column) = warning.line_and_column().unzip();
            tracing::warn!(line, column, help = warning.help(), "{}", warning.message());
        }
        for warning in exposed(&loaded.settings) {
            tracing::warn!("{warning}");
        }
        match runtime(loaded.settings.server.workers) {
            Ok(runtime) => runtime.block_on(serve(loaded)),
            Err(error) => {
                tracing::error!(%error, "cannot start threads");
                Exit::Outside
            }
        }
    }
}

/// As many threads as the machine has cores, or as the settings say. One alone shares nothing, which makes each request
/// cheaper.
fn runtime(workers: Option<usize>) -> io::Result<Runtime> {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut runtime = match workers.unwrap_or_else(cores) {
        1 => Builder::new_current_thread(),
        workers => {
            let mut runtime = Builder::new_multi_thread();
            runtime.worker_threads(workers);
            runtime
        }
    };
    runtime.enable_all().build()
}

async fn serve(loaded: Loaded) -> Exit {
    let Loaded { settings, environment, .. } = loaded;
    // Before anything can be reached: who sees it listen may end it, and it must end well.
    let stop = stop_signal();
    let sockets = match Sockets::bind(&settings.server).await {
        Ok(sockets) => sockets,
        Err(error) => {
            tracing::error!("{error}");
            return Exit::Outside;
        }
    };
    let clock = Arc::new(SystemClock::new());
    let secrets = Secrets::with_stores(environment.into_inner(), settings.stores.clone(), clock.clone());
    let around = Surroundings {
        clock,
        observer: Observer::new(),
        secrets,
        seed: random_seed(),
        patience: Duration::ZERO,
    };
    let composition = match compose(&settings, &around).await {
        Ok(composition) => composition,
        Err(error) => {
            tracing::error!("{error}");
            return Exit::Usage;
        }
    };
    let resources: Vec<_> = settings.guards.iter().map(|guard| guard.resource.as_str()).collect();
    let address =
        |listener: &tokio::net::TcpListener| listener.local_addr().map(|a| a.to_string()).unwrap_or_default();
    tracing::info!(listen = address(&sockets.listen), admin = address(&sockets.admin), ?resources, "serving");
    run(composition, sockets, &settings, stop).await;
    tracing::info!("stopped");
    Exit::Done
}

/// Jitter must differ between instances; it keeps no secret.
pub(crate) fn random_seed() -> u64 {
    let mut seed = [0; 8];
    // Without randomness every instance jitters alike, which is no reason not to serve.
    let _ = aws_lc_rs::rand::fill(&mut seed);
    u64::from_le_bytes(seed)
}

/// SIGTERM or Ctrl-C, heeded from now on, not only once this is awaited.
pub(crate) fn stop_signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        match (terminate, interrupt) {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            // Without handlers either signal ends the process by itself.
            _ => std::future::pending().await,
        }
    }
}
