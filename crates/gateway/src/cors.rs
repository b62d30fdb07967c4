//! Lets pages of welcome origins use what they get (Fetch standard, CORS protocol): without these headers a
//! browser keeps the answer from the page, and does not even send the request.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::body::{self, Body};

/// Everything that a browser client of MCP sends.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
/// What a page may read beside the body.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After");
/// How long a browser may remember a preflight's answer, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// What an upstream may have said about origins; the guard decides that.
const DECIDED_HERE: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// The origin of a request that a page made. It has been judged before (`browser`).
pub fn origin(head: &Parts) -> Option<HeaderValue> {
    head.headers.get(ORIGIN).cloned()
}

/// The answer to a preflight, which carries no token and must not need one; `None` for any other request.
pub fn preflight(head: &Parts) -> Option<Response<Body>> {
    if head.method != Method::OPTIONS || !head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let origin = origin(head)?;
    let mut answer = Response::new(body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    // Which headers cross is decided when the request itself comes; `Mcp-Param-*` has no list.
    if let Some(asked) = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    allow(headers, Some(&origin));
    Some(answer)
}

/// Opens an answer to the page that asked, and to no other.
pub fn allow(headers: &mut HeaderMap, origin: Option<&HeaderValue>) {
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

/// Removes an upstream's own words on origins, which would contradict the guard's.
pub fn forget(headers: &mut HeaderMap) {
    // Most answers have none of them.
    if headers.keys().any(|name| name.as_str().starts_with("access-control-")) {
        DECIDED_HERE.iter().for_each(|name| drop(headers.remove(name)));
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(method: Method, headers: &[(&'static str, &'static str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/mcp");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_preflight_is_answered_without_a_token_and_opens_to_its_origin_alone() {
        let asked = [
            ("origin", "https://app.example.com"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization, mcp-param-x"),
        ];
        let answer = preflight(&head(Method::OPTIONS, &asked)).unwrap();
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example.com");
        assert_eq!(answer.headers()["access-control-allow-headers"], "authorization, mcp-param-x");
        assert_eq!(answer.headers()["vary"], "Origin");
        assert!(!answer.headers().contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn what_is_no_preflight_is_not_answered_as_one() {
        assert!(preflight(&head(Method::OPTIONS, &[("origin", "https://a")])).is_none());
        assert!(preflight(&head(Method::OPTIONS, &[("access-control-request-method", "POST")])).is_none());
        let post = [("origin", "https://a"), ("access-control-request-method", "POST")];
        assert!(preflight(&head(Method::POST, &post)).is_none());
    }
}
