//! Serves a composition on its sockets until it is told to stop.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

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
        let routes = routes.clone();
        async move { routes.handle(request, peer).await }
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
    let admin = composition.console.serve(sockets.admin, std::future::pending());
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
        () = stop => {}
    }
    composition.manager.shut_down();
}

fn limits(settings: &Settings) -> Limits {
    let max_head = settings.guards.iter().map(|guard| guard.max_header).max().unwrap_or(64 * 1024);
    Limits { max_head, drain: settings.server.drain.max(Duration::from_millis(1)) }
}

fn stopped(stopping: &watch::Sender<bool>) -> impl Future<Output = ()> + use<> {
    let mut stopping = stopping.subscribe();
    async move {
        // A sender that is gone is a reason to stop, too.
        let _ = stopping.wait_for(|stop| *stop).await;
    }
}
