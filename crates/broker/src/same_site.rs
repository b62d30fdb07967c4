//! Requests that a page of another site could have caused, refused before any work (HARD 29).
//!
//! `Origin` and `Sec-Fetch-Site` are what the browser says and no page can forge. `X-CSRF` is a header that a page of
//! another site cannot add without asking first, and is never allowed to.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::CorsLayer;
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::problem::{Problem, ProblemKind};

const CSRF: HeaderName = HeaderName::from_static("x-csrf");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How a refused request is answered.
pub(crate) type Refuse = fn(ProtectionError) -> Response;

/// Looks at `Origin` and `Sec-Fetch-Site` of requests that change something; `trusted` are the application's other origins.
///
/// # Errors
/// Which of them is no origin.
pub(crate) fn layer(trusted: &[String]) -> Result<CsrfLayer<Refuse>, String> {
    let add = |layer: CsrfLayer<_>, origin: &String| layer.add_trusted_origin(origin);
    let layer = trusted.iter().try_fold(CsrfLayer::new(), add).map_err(|error| error.to_string())?;
    Ok(layer.with_rejection_response(refuse as Refuse))
}

/// Lets pages of the application's other origins ask, with the user's cookie (Fetch §3.2). Without such there is no CORS.
///
/// # Errors
/// Which of them is no origin.
pub(crate) fn cors(trusted: &[String]) -> Result<Option<CorsLayer>, String> {
    if trusted.is_empty() {
        return Ok(None);
    }
    let origins: Result<Vec<_>, _> =
        trusted.iter().map(|origin| HeaderValue::try_from(origin.as_str())).collect();
    let layer = CorsLayer::new()
        .allow_origin(origins.map_err(|error| error.to_string())?)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([CONTENT_TYPE, CSRF]);
    Ok(Some(layer))
}

/// Wants `X-CSRF: 1` of whatever changes something, and no page of another site for what only shows; `trusted` are the
/// application's other origins.
pub(crate) async fn check(State(trusted): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_marked = || {
        let mut marks = headers.get_all(CSRF).iter();
        (marks.next().is_some_and(|mark| mark == "1")) && marks.next().is_none()
    };
    let is_of_another_site =
        || headers.get(FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none");
    let is_trusted = || {
        let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
        origin.is_some_and(|origin| trusted.iter().any(|trusted| trusted == origin))
    };
    let is_refused = match *request.method() {
        Method::GET | Method::HEAD => is_of_another_site() && !is_trusted(),
        _ => !is_marked(),
    };
    if is_refused {
        return Problem::new(ProblemKind::CsrfRejected).into_response();
    }
    next.run(request).await
}

fn refuse(_: ProtectionError) -> Response {
    Problem::new(ProblemKind::CsrfRejected).into_response()
}
