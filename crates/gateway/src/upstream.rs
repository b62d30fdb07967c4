//! The connection pool behind the gateway: one client for all upstreams and providers.
//!
//! Follows no redirect and keeps no cookie: an answer goes to the caller as it came.

use std::error::Error;
use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::answer::Answered;
use crate::body::{self, Body};
use crate::lanes::{LaneError, Lanes};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the head of an answer. Tools may think for long; beyond this something is broken.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
/// The same for a request whose body is streamed, which may take its time to be sent.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_secs(3600);
/// A peer that vanished without a word is noticed after about two of these.
const ALIVE: Duration = Duration::from_secs(30);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Sends requests. Cheap to clone; clones share the pool.
#[derive(Debug, Clone)]
pub struct UpstreamClient {
    /// Servers that are reached without TLS: those beside us, mostly.
    plain: Lanes,
    /// All others, and uploads that go on for as long as they like.
    others: Client<HttpsConnector<HttpConnector>, Body>,
}

/// Why there is no answer from behind. The cause goes to the log, never to the caller.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection could be made.
    #[error("cannot connect to {origin}")]
    Connect {
        /// `scheme://host[:port]`.
        origin: String,
        /// What the connector said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The connection broke before an answer's head was complete.
    #[error("{origin} closed the connection before it answered")]
    Broken {
        /// `scheme://host[:port]`.
        origin: String,
        /// What the connection said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("{origin} did not answer within {} s", .limit.as_secs())]
    Timeout {
        /// `scheme://host[:port]`.
        origin: String,
        /// How long it had.
        limit: Duration,
    },
}

impl UpstreamClient {
    /// A client that trusts the platform's certificate authorities.
    ///
    /// # Errors
    /// When the platform's verifier cannot be set up.
    pub fn new() -> Result<Self, rustls::Error> {
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .try_with_platform_verifier()?
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(ALIVE));
        tcp.set_keepalive_interval(Some(ALIVE));
        let plain = Lanes::new(tcp.clone());
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        let others = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(ALIVE)
            .http2_keep_alive_timeout(ALIVE)
            .build(connector);
        Ok(Self { plain, others })
    }

    /// Sends one request to `to`, whatever its own URI is, and waits for the head of its answer, at most `limit`. Dropping the
    /// future, or later the answer's body, ends the request (SPEC PX-6).
    ///
    /// # Errors
    /// As [`UpstreamError`] says.
    pub async fn send(
        &self,
        mut request: Box<Request<Body>>,
        to: &Uri,
        limit: Duration,
    ) -> Result<Answered, UpstreamError> {
        let origin = || origin_of(to);
        // A body that is still coming may go on after its answer has ended, when nobody drives a lane any more.
        let sent = if to.scheme() == Some(&Scheme::HTTP) && request.body().is_at_hand() {
            self.plain.send(request, to, limit).await
        } else {
            *request.uri_mut() = to.clone();
            let sent = Box::pin(tokio::time::timeout(limit, self.send_by_task(*request))).await;
            sent.unwrap_or(Err(LaneError::Late))
        };
        sent.map_err(|error| match error {
            LaneError::Late => UpstreamError::Timeout { origin: origin(), limit },
            LaneError::Connect(source) => UpstreamError::Connect { origin: origin(), source },
            LaneError::Broken(source) => UpstreamError::Broken { origin: origin(), source },
        })
    }

    async fn send_by_task(&self, request: Request<Body>) -> Result<Answered, LaneError> {
        match self.others.request(request).await {
            Ok(answer) => Ok(Box::new(answer.map(body::streamed))),
            Err(error) if error.is_connect() => Err(LaneError::Connect(error.into())),
            Err(error) => Err(LaneError::Broken(error.into())),
        }
    }
}

/// `scheme://host[:port]`.
pub(crate) fn origin_of(uri: &Uri) -> String {
    format!("{}://{}", uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", |a| a.as_str()))
}

#[cfg(test)]
mod tests;
