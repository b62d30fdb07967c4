//! [`Fetch`] over HTTP, on `reqwest` with rustls and the platform's certificate authorities.

use std::time::Duration;

use bearward_token::Endpoint;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, Response};
use zeroize::Zeroizing;

use crate::fetch::{Fetch, FetchError, Fetched, Fetching, Form, JsonRequest, MAX_ANSWER_BYTES};

/// One attempt, from connecting to the last byte.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for what spends a single-use token: who stops listening too early has lost it.
pub const SPENDING_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const USUAL_ANSWER_BYTES: usize = 16 * 1024;

/// Fetches over the network. Cheap to clone; clones share connections.
///
/// Proxies named by the environment are not used: a token request must not go through a machine that the
/// configuration does not name.
#[derive(Debug, Clone)]
pub struct HttpFetch {
    client: Client,
    timeout: Duration,
}

impl HttpFetch {
    /// With the default limit of five seconds an attempt.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new() -> Result<Self, reqwest::Error> {
        Self::with_timeout(ATTEMPT_TIMEOUT)
    }

    /// With another limit for one attempt.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn with_timeout(timeout: Duration) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(concat!("bearward/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .build()?;
        Ok(Self { client, timeout })
    }

    async fn send(&self, url: &Endpoint, request: RequestBuilder) -> Result<Fetched, FetchError> {
        let failed = |error| self.explain(url, &error);
        let mut answer = request.header(ACCEPT, "application/json").send().await.map_err(failed)?;
        let body = read(url, &mut answer, failed).await?;
        Ok(Fetched { status: answer.status(), headers: std::mem::take(answer.headers_mut()), body })
    }

    fn explain(&self, url: &Endpoint, error: &reqwest::Error) -> FetchError {
        let url = url.to_string();
        if error.is_timeout() {
            FetchError::Timeout { url, after: self.timeout }
        } else if error.is_connect() {
            FetchError::Connect { url, reason: root_cause(error) }
        } else {
            FetchError::Broken { url, reason: root_cause(error) }
        }
    }
}

impl Fetch for HttpFetch {
    fn get<'a>(&'a self, url: &'a Endpoint, authorization: Option<HeaderValue>) -> Fetching<'a> {
        let mut request = self.client.get(url.as_str());
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        Box::pin(self.send(url, request))
    }

    fn post<'a>(&'a self, url: &'a Endpoint, form: Form) -> Fetching<'a> {
        let mut request = self
            .client
            .post(url.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from_owner(form.encode()));
        if let Some(authorization) = form.authorization.clone() {
            request = request.header(AUTHORIZATION, authorization);
        }
        if form.is_spending {
            request = request.timeout(SPENDING_TIMEOUT);
        }
        Box::pin(self.send(url, request))
    }

    fn post_json<'a>(&'a self, url: &'a Endpoint, request: JsonRequest) -> Fetching<'a> {
        let mut post = self.client.post(url.as_str()).headers(request.headers);
        post = post.header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = request.authorization {
            post = post.header(AUTHORIZATION, authorization);
        }
        let body = Zeroizing::new(request.body.to_string());
        let post = post.body(Bytes::from_owner(body));
        Box::pin(self.send(url, post))
    }
}

async fn read(
    url: &Endpoint,
    answer: &mut Response,
    failed: impl Fn(reqwest::Error) -> FetchError,
) -> Result<Bytes, FetchError> {
    // Wiped when its last reader is done (HARD 20), and long enough that a usual answer does not grow it.
    let mut body = Zeroizing::new(Vec::with_capacity(USUAL_ANSWER_BYTES));
    while let Some(chunk) = answer.chunk().await.map_err(&failed)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(FetchError::TooLarge { url: url.to_string() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Bytes::from_owner(body))
}

/// The innermost error: what the operating system or TLS said, without the URL repeated on every level.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
