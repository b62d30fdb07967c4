//! The connection pool behind the gateway: one client for all upstreams and providers.
//!
//! Follows no redirect and keeps no cookie: an answer goes to the caller as it came.

use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::body::Body;

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
    client: Client<HttpsConnector<HttpConnector>, Body>,
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
        source: hyper_util::client::legacy::Error,
    },
    /// The connection broke before an answer's head was complete.
    #[error("{origin} closed the connection before it answered")]
    Broken {
        /// `scheme://host[:port]`.
        origin: String,
        /// What the connection said.
        source: hyper_util::client::legacy::Error,
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
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(ALIVE));
        tcp.set_keepalive_interval(Some(ALIVE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(ALIVE)
            .http2_keep_alive_timeout(ALIVE)
            .build(connector);
        Ok(Self { client })
    }

    /// Sends one request and waits for the head of its answer, at most `limit`. Dropping the future, or later the answer's
    /// body, ends the request (SPEC PX-6).
    ///
    /// # Errors
    /// As [`UpstreamError`] says.
    pub async fn send(
        &self,
        request: Request<Body>,
        limit: Duration,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let origin = origin_of(&request);
        match tokio::time::timeout(limit, self.client.request(request)).await {
            Err(_) => Err(UpstreamError::Timeout { origin, limit }),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) if source.is_connect() => Err(UpstreamError::Connect { origin, source }),
            Ok(Err(source)) => Err(UpstreamError::Broken { origin, source }),
        }
    }
}

fn origin_of(request: &Request<Body>) -> String {
    let uri = request.uri();
    format!("{}://{}", uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", |a| a.as_str()))
}
