//! Requests that a page of another site could have caused, refused before any work (HARD 29).
//!
//! `Origin` and `Sec-Fetch-Site` are what the browser says and no page can forge. `X-CSRF` is a header that a page of
//! another site cannot add without asking first, and is never allowed to.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
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

/// Whose pages may ask.
#[derive(Debug, Clone)]
pub(crate) struct Pages {
    /// The application's own origin.
    pub(crate) home: String,
    /// Its other origins.
    pub(crate) others: Vec<String>,
}

impl Pages {
    /// Whether a request comes from one of them, as far as the browser says; what says nothing is no page, or one of our own.
    pub(crate) fn may_ask(&self, headers: &HeaderMap) -> bool {
        let is_from_elsewhere =
            headers.get(FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none");
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => !is_from_elsewhere,
            (Some(origin), None) if self.others.iter().any(|other| origin == other.as_str()) => true,
            (Some(origin), None) => origin == self.home.as_str() && !is_from_elsewhere,
            _ => false,
        }
    }
}

/// Wants a page of ours, and of whatever changes something `X-CSRF: 1`.
pub(crate) async fn check(State(pages): State<Arc<Pages>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_marked = || {
        let mut marks = headers.get_all(CSRF).iter();
        (marks.next().is_some_and(|mark| mark == "1")) && marks.next().is_none()
    };
    let is_refused =
        !pages.may_ask(headers) || !(matches!(*request.method(), Method::GET | Method::HEAD) || is_marked());
    if is_refused {
        return Problem::new(ProblemKind::CsrfRejected).into_response();
    }
    next.run(request).await
}

fn refuse(_: ProtectionError) -> Response {
    Problem::new(ProblemKind::CsrfRejected).into_response()
}
