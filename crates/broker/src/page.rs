//! What a person sees who is on the way to the issuer or back, and cannot go on: words, and a way to begin again.

use axum::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// The page has a style of its own and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A problem for whoever asks: a page for a browser that goes there itself, a document for a program.
pub(crate) fn in_browser(problem: &Problem, headers: &HeaderMap) -> Response {
    let wants_page = headers
        .get_all(ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|text| text.contains("text/html")));
    if !wants_page {
        return problem.clone().into_response();
    }
    let mut answer = (problem.kind.status(), page(problem)).into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    problem.tell_when(headers);
    answer
}

/// Fixed words alone: nothing of a request or of an issuer's answer stands in it, so nothing needs to be escaped.
fn page(problem: &Problem) -> String {
    let (title, word) = (problem.kind.title(), problem.kind.as_str());
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Sign-in</title>\n\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}}\
         small{{color:#666}}</style>\n<h1>You are not signed in</h1>\n<p>{title}.</p>\n\
         <p><a href=\"/auth/login\">Sign in again</a></p>\n<p><small>{word}</small></p>\n"
    )
}
