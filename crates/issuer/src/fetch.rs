//! Fetching as an argument: small documents, within bounds, from places that are fit for secrets.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bearward_token::Endpoint;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use zeroize::{Zeroize, Zeroizing};

/// Longest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Sends requests to authorization servers. Injected, so that tests answer for the network.
///
/// Every implementation keeps the bounds: no redirect is followed, an answer is at most
/// [`MAX_ANSWER_BYTES`] long, and one attempt ends in bounded time.
pub trait Fetch: fmt::Debug + Send + Sync + 'static {
    /// GET a document; with `Authorization`, where the server shows it to its own alone.
    fn get<'a>(&'a self, url: &'a Endpoint, authorization: Option<HeaderValue>) -> Fetching<'a>;

    /// POST a form.
    fn post<'a>(&'a self, url: &'a Endpoint, form: Form) -> Fetching<'a>;

    /// POST a JSON document.
    fn post_json<'a>(&'a self, url: &'a Endpoint, request: JsonRequest) -> Fetching<'a>;
}

/// What a [`Fetch`] hands out.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + 'a>>;

/// A form to send. `Debug` shows names alone; memory is wiped on drop (HARD 20).
#[derive(Clone, Default)]
pub struct Form {
    /// Names and values, in order; a name may stand twice (RFC 8707 `resource`).
    pub fields: Vec<(&'static str, String)>,
    /// More fields, named by the configuration.
    pub extra: Vec<(String, String)>,
    /// `Authorization`, when the client authenticates there.
    pub authorization: Option<HeaderValue>,
    /// It spends what cannot be spent again: an answer that is not waited for is lost.
    pub is_spending: bool,
}

impl Form {
    /// A form of these fields.
    pub fn of(fields: Vec<(&'static str, String)>) -> Self {
        Self { fields, extra: Vec::new(), authorization: None, is_spending: false }
    }

    /// The body, `application/x-www-form-urlencoded`.
    pub fn encode(&self) -> Zeroizing<String> {
        let fields = self.fields.iter().map(|(name, value)| (*name, value.as_str()));
        let extra = self.extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs = fields.chain(extra);
        // As long as it can become: a buffer that grows would leave copies behind.
        let most = pairs.clone().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
        let mut body = form_urlencoded::Serializer::new(String::with_capacity(most));
        body.extend_pairs(pairs);
        Zeroizing::new(body.finish())
    }
}

impl Drop for Form {
    fn drop(&mut self) {
        self.fields.iter_mut().for_each(|(_, value)| value.zeroize());
        self.extra.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            self.fields.iter().map(|(name, _)| *name).chain(self.extra.iter().map(|(name, _)| name.as_str()));
        f.debug_list().entries(names).finish()
    }
}

/// A JSON document to send. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct JsonRequest {
    /// The document.
    pub body: serde_json::Value,
    /// Headers that the peer wants besides.
    pub headers: HeaderMap,
    /// `Authorization`.
    pub authorization: Option<HeaderValue>,
}

impl fmt::Debug for JsonRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonRequest(redacted)")
    }
}

/// An answer, whatever its status. `Debug` does not show the body, which may hold a token.
#[derive(Clone)]
pub struct Fetched {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer. Never carries a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nobody answered at the address.
    #[error("cannot connect to {url}: {reason}")]
    Connect {
        /// Where.
        url: String,
        /// What the connector said.
        reason: String,
    },
    /// No complete answer in time.
    #[error("{url} did not answer within {} ms", .after.as_millis())]
    Timeout {
        /// Where.
        url: String,
        /// The limit.
        after: Duration,
    },
    /// The answer broke off.
    #[error("the answer of {url} broke off: {reason}")]
    Broken {
        /// Where.
        url: String,
        /// What the connection said.
        reason: String,
    },
    /// The answer is longer than [`MAX_ANSWER_BYTES`].
    #[error("the answer of {url} is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLarge {
        /// Where.
        url: String,
    },
}

impl Fetched {
    /// How long the answer may be kept: `Cache-Control: max-age`, zero for `no-store` and `no-cache`
    /// (RFC 9111 §5.2.2); `None` when the server does not say.
    pub fn max_age(&self) -> Option<Duration> {
        let values = self.headers.get_all(http::header::CACHE_CONTROL);
        let directives: Vec<String> = values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|directive| directive.trim().to_ascii_lowercase())
            .collect();
        if directives.iter().any(|d| d == "no-store" || d == "no-cache") {
            return Some(Duration::ZERO);
        }
        directives
            .iter()
            .find_map(|d| d.strip_prefix("max-age=")?.trim_matches('"').parse().ok())
            .map(Duration::from_secs)
    }

    /// When the server says that it answered, in seconds since the Unix epoch by its own clock (RFC 9110 §6.6.1).
    pub fn dated(&self) -> Option<u64> {
        let date = httpdate::parse_http_date(self.headers.get(http::header::DATE)?.to_str().ok()?).ok()?;
        date.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    /// `Retry-After` as a pause from now: seconds, also more than can be counted, or a date (RFC 9110 §10.2.3).
    pub fn retry_after(&self, unix_ms: u64) -> Option<Duration> {
        let text = self.headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // Digits alone fail for one reason only: there are too many of them.
            return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
        }
        let date = httpdate::parse_http_date(text).ok()?;
        let now = std::time::UNIX_EPOCH + Duration::from_millis(unix_ms);
        Some(date.duration_since(now).unwrap_or(Duration::ZERO))
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fetched({}, {} bytes)", self.status, self.body.len())
    }
}

#[cfg(test)]
mod tests;
