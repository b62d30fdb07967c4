//! The broker's endpoints, as the gateway's listener calls them, and the cookies that they know.

use std::fmt;
use std::net::IpAddr;

use axum::Router;
use bearward_broker::{CameFrom, CookieRules, SameSite};
use bearward_gateway::Pages;
use bearward_gateway::address::TrustedProxies;
use bearward_gateway::body::{self, BodyError};
use bearward_gateway::browser::BrowserRules;
use bearward_gateway::pages::{Answering, Endpoints};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower::ServiceExt;

use super::Broker;
use crate::compose::{Builder, ComposeError};
use crate::config::settings::BrokerSettings;

/// The cookie of a browser in which somebody signs in.
const LOGIN_COOKIE: &str = "login";

impl Builder<'_> {
    /// The broker's endpoints, for the listener of the guards.
    pub(in crate::compose) fn pages(&self, broker: &Broker) -> Result<Pages, ComposeError> {
        let router = bearward_broker::router(broker.application.clone()).map_err(ComposeError::Setting)?;
        let server = &self.settings.server;
        let public =
            self.settings.broker.iter().filter_map(|broker| broker.public_origin.as_str().split_once("://"));
        let hosts = public.map(|(_, host)| host.to_owned()).chain(server.allowed_hosts.clone()).collect();
        Ok(Pages {
            endpoints: Box::new(BrokerEndpoints(router)),
            browser: BrowserRules {
                origins: Vec::new(),
                hosts,
                on_loopback: server.listen.ip().is_loopback(),
            },
            proxies: TrustedProxies(server.trusted_proxies.clone()),
        })
    }
}

/// The session's, and the browser's in which somebody signs in.
pub(super) fn cookies(broker: &BrokerSettings) -> (CookieRules, CookieRules) {
    let login = format!("{}-{LOGIN_COOKIE}", broker.cookie);
    if broker.public_origin.is_plain_http() {
        return (CookieRules::for_development(&broker.cookie), CookieRules::for_development(&login));
    }
    (CookieRules::secure(&broker.cookie, SameSite::Lax), CookieRules::secure(&login, SameSite::Lax))
}

/// The broker's router, as the gateway's listener calls it.
struct BrokerEndpoints(Router);

impl Endpoints for BrokerEndpoints {
    fn answer(&self, request: http::Request<Incoming>, from: Option<IpAddr>) -> Answering<'_> {
        let mut request = request.map(axum::body::Body::new);
        if let Some(from) = from {
            request.extensions_mut().insert(CameFrom(from));
        }
        let answering = self.0.clone().oneshot(request);
        Box::pin(async move {
            let answer = answering.await.unwrap_or_else(|never| match never {});
            answer.map(|body| body::other(body.map_err(BodyError::from)))
        })
    }
}

impl fmt::Debug for BrokerEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrokerEndpoints")
    }
}
