//! Serves a composition on its sockets until it is told to stop.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bearward_gateway::activity::Patience;
use bearward_gateway::listener::{Limits, Listener, serve};
use tokio::sync::watch;

use crate::compose::Composition;
use crate::config::Settings;
use crate::sockets::Sockets;

/// Serves until `stop` completes, then drains; returns when every listener has ended.
pub async fn run(
    composition: Composition,
    sockets: Sockets,
    settings: &Settings,
    stop: impl Future<Output = ()>,
) {
    let (stopping, _) = watch::channel(false);
    let limits = limits(settings);
    let routes = composition.routes;
    let inbound = serve(Listener::Tcp(sockets.listen), limits, stopped(&stopping), move |request, peer| {
        routes.clone().handle(request, peer)
    });
    let egress = async {
        if let (Some(listener), Some(egress)) = (sockets.egress, composition.egress) {
            let handler = move |request, _| {
                let egress: Arc<_> = egress.clone();
                async move { egress.handle(request).await }
            };
            serve(listener, limits, stopped(&stopping), handler).await;
        }
    };
    // The admin pages stay up while requests drain, so that one can watch it; then they end at once.
    let operators = async {
        match sockets.admin_socket {
            Some(socket) => composition.console.clone().serve_socket(socket).await,
            None => std::future::pending().await,
        }
    };
    let admin = composition.console.clone().serve(sockets.admin, std::future::pending());
    let traffic = async { tokio::join!(inbound, egress) };
    let stop = async {
        stop.await;
        tracing::info!(
            drain_s = limits.drain.as_secs(),
            "stopping: no new connections, open requests may end"
        );
        stopping.send_replace(true);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = traffic => {}
        ended = admin => {
            if let Err(error) = ended {
                tracing::error!(%error, "the admin listener failed");
            }
        }
        ended = operators => {
            if let Err(error) = ended {
                tracing::error!(%error, "the admin socket failed");
            }
        }
        () = stop => {}
    }
    composition.manager.shut_down().await;
    // After the last request for a token: it may need a secret.
    drop(composition.keeping);
    composition.secrets.close().await;
}

fn limits(settings: &Settings) -> Limits {
    let server = &settings.server;
    Limits {
        max_head: server.max_header,
        connections: server.max_connections.unwrap_or_else(room_for_connections),
        patience: Patience::default(),
        drain: server.drain.max(Duration::from_millis(1)),
    }
}

/// How many connections one listener may hold: each may need another one behind, and two listeners share what the
/// process may open. The limit is raised as far as the system lets us.
fn room_for_connections() -> usize {
    const OWN_FILES: u64 = 64;
    const USUAL: u64 = 1024;
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(USUAL);
    usize::try_from(files.saturating_sub(OWN_FILES) / 4).unwrap_or(usize::MAX).clamp(16, 1_000_000)
}

fn stopped(stopping: &watch::Sender<bool>) -> impl Future<Output = ()> + use<> {
    let mut stopping = stopping.subscribe();
    async move {
        // A sender that is gone is a reason to stop, too.
        let _ = stopping.wait_for(|stop| *stop).await;
    }
}
