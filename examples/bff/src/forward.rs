//! `/auth/…` goes on to Bearward, as an application's front would send it: the cookie belongs to one origin.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::http::header::CONNECTION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};
use reqwest::Url;

/// Where Bearward is, and what asks it.
#[derive(Debug, Clone)]
pub(crate) struct Bearward {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
}

const BELOW: &str = "/auth/";
/// Says who came to us; Bearward believes it of its `trustedProxies` alone.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Sends a request on as it is, its `Host` included, and its answer back.
pub(crate) async fn forward(
    State(bearward): State<Bearward>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(target) = target(&bearward.base, &uri) else { return StatusCode::NOT_FOUND.into_response() };
    without_hop(&mut headers);
    if let Ok(from) = HeaderValue::try_from(from.ip().to_string()) {
        headers.insert(FORWARDED_FOR, from);
    }
    let request = bearward.http.request(method, target).headers(headers).body(body);
    let Ok(answer) = request.send().await else {
        return (StatusCode::BAD_GATEWAY, "Bearward does not answer").into_response();
    };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    without_hop(&mut headers);
    (status, headers, Body::from_stream(answer.bytes_stream())).into_response()
}

/// Below `/auth/` and nowhere else: dots in a path lead out of it only once it is a URL.
fn target(base: &str, uri: &Uri) -> Option<Url> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let target = Url::parse(&format!("{base}{path}")).ok()?;
    let is_ours = target.as_str().starts_with(base) && target.path().starts_with(BELOW);
    is_ours.then_some(target)
}

/// What concerns one connection alone (RFC 9110 §7.6.1), and what this one is told to be of that kind.
fn without_hop(headers: &mut HeaderMap) {
    const OF_ONE_CONNECTION: [&str; 9] = [
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let named: Vec<_> = headers.get_all(CONNECTION).iter().filter_map(|named| named.to_str().ok()).collect();
    let named: Vec<_> =
        named.iter().flat_map(|named| named.split(',')).map(|name| name.trim().to_owned()).collect();
    for name in named.iter().map(String::as_str).chain(OF_ONE_CONNECTION) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn what_is_below_auth_goes_on_and_nothing_leads_out_of_it() {
        let base = "http://127.0.0.1:8080";
        let leads = |path: &str| target(base, &path.parse().unwrap()).map(String::from);
        assert_eq!(leads("/auth/login?returnTo=/a").unwrap(), format!("{base}/auth/login?returnTo=/a"));
        for path in ["/auth/../calendar", "/auth/%2e%2e/calendar", "/auth/x/../../mcp", "/authx", "/"] {
            assert_eq!(leads(path), None, "{path}");
        }
    }

    #[test]
    fn what_concerns_one_connection_stays_with_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("connection", "x-secret, keep-alive"), ("x-secret", "1"), ("te", "trailers"), ("cookie", "a=b")]
        {
            headers.insert(name, value.parse().unwrap());
        }
        without_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["cookie"]);
    }
}
