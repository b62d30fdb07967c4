//! `/auth/…` goes on to Bearward, as an application's front would send it: the cookie belongs to one origin.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};

/// Where Bearward is, and what asks it.
#[derive(Debug, Clone)]
pub(crate) struct Bearward {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
}

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
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    without_hop(&mut headers);
    if let Ok(from) = HeaderValue::try_from(from.ip().to_string()) {
        headers.insert(FORWARDED_FOR, from);
    }
    let request =
        bearward.http.request(method, format!("{}{path}", bearward.base)).headers(headers).body(body);
    let Ok(answer) = request.send().await else {
        return (StatusCode::BAD_GATEWAY, "Bearward does not answer").into_response();
    };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    without_hop(&mut headers);
    (status, headers, Body::from_stream(answer.bytes_stream())).into_response()
}

/// What concerns one connection alone.
fn without_hop(headers: &mut HeaderMap) {
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
}
