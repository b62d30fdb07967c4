//! Bearward as a task of another program: the demo, and tests. It runs on a configuration text like any
//! other.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bearward_observe::Observer;
use bearward_secrets::Secrets;
use bearward_token::SystemClock;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::cli::serve::random_seed;
use crate::compose::{Surroundings, compose};
use crate::config::{Environment, Loaded, parse};
use crate::run::run;
use crate::sockets::Sockets;

/// A running Bearward. Stops when dropped, at once; [`Background::stop`] lets it drain.
#[derive(Debug)]
pub struct Background {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Background {
    /// Starts on sockets that are bound already, whatever addresses the configuration names.
    ///
    /// # Errors
    /// When the configuration is refused or the services cannot be built.
    pub async fn start(
        config: &str,
        environment: Environment,
        observer: Observer,
        sockets: Sockets,
    ) -> io::Result<Self> {
        let loaded = parse("configuration", config, environment).map_err(|errors| {
            let all: Vec<_> = errors.problems().iter().map(ToString::to_string).collect();
            io::Error::other(all.join("; "))
        })?;
        let Loaded { settings, environment, .. } = loaded;
        let clock = Arc::new(SystemClock::new());
        let secrets = Secrets::with_stores(environment.into_inner(), settings.stores.clone(), clock.clone());
        let around = Surroundings { clock, observer, secrets, seed: random_seed(), patience: Duration::ZERO };
        let composition = compose(&settings, &around).await.map_err(io::Error::other)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let stop = async {
                // A sender that is gone means the same.
                let _ = stopped.await;
            };
            run(composition, sockets, &settings, stop).await;
        });
        Ok(Self { stop, task })
    }

    /// Lets open requests end, and waits for it.
    pub async fn stop(self) {
        // It may have ended already; then there is nobody to tell.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}
