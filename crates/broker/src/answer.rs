//! Answers: documents, redirects, and errors as problems.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::problem::{CONTENT_TYPE as PROBLEM, Problem};

/// A document.
pub(crate) fn document(document: Value) -> Response {
    Json(document).into_response()
}

/// The browser goes elsewhere, with what it is given to keep.
pub(crate) fn redirect(to: &str, cookies: impl IntoIterator<Item = Option<HeaderValue>>) -> Response {
    let Ok(location) = HeaderValue::try_from(to) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let answer = (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response();
    keeping(answer, cookies)
}

/// Gives the browser cookies to keep, or to forget.
pub(crate) fn keeping(
    mut answer: Response,
    cookies: impl IntoIterator<Item = Option<HeaderValue>>,
) -> Response {
    for cookie in cookies.into_iter().flatten() {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    answer
}

/// Kept by nobody on the way, whatever it is (HARD 29).
pub(crate) async fn unstored(mut answer: Response) -> Response {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(PROBLEM))]);
        let mut answer = (self.kind.status(), headers, self.document().to_string()).into_response();
        self.tell_when(answer.headers_mut());
        answer
    }
}
