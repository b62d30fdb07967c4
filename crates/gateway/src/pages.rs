//! Endpoints beside the guarded ones, on the same listener: those of a broker.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::address::TrustedProxies;
use crate::answer::Asked;
use crate::body::Body;
use crate::browser::BrowserRules;

/// What is below this path is theirs.
pub const BELOW: &str = "/auth/";

/// Answers requests.
pub trait Endpoints: fmt::Debug + Send + Sync {
    /// Answers one, which came from this address.
    fn answer(&self, request: Request<Incoming>, from: Option<IpAddr>) -> Answering<'_>;
}

/// What [`Endpoints::answer`] answers with.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Response<Body>> + Send + 'a>>;

/// Endpoints on a listener.
#[derive(Debug)]
pub struct Pages {
    /// What answers.
    pub endpoints: Box<dyn Endpoints>,
    /// Names that the listener goes by; whose pages may ask is the endpoints' own affair.
    pub browser: BrowserRules,
    /// Proxies in front of us that tell who calls.
    pub proxies: TrustedProxies,
}

impl Pages {
    /// True for a path of theirs.
    pub fn have(&self, path: &str) -> bool {
        path.starts_with(BELOW)
    }

    /// Handles one request.
    pub async fn handle(&self, request: Request<Incoming>, peer: Option<IpAddr>) -> Response<Body> {
        if self.browser.check_host(request.uri(), request.headers()).is_err() {
            return Asked::plain().error(StatusCode::FORBIDDEN, "This host is not allowed here");
        }
        let from = peer.map(|peer| self.proxies.caller(peer, request.headers()));
        self.endpoints.answer(request, from).await
    }
}
