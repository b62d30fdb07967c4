//! Where issuers tell of sessions that have ended: OpenID Connect back-channel logout, and security events pushed as
//! RFC 8935 says.

use std::time::Duration;

use bearward_guard::revocation::RevocationError;
use bearward_guard::security_event::{EventError, Kind, Receiver};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use crate::answer::{document_answer, retry_after};
use crate::body::{self, Body};

/// Where logout tokens are taken.
pub const LOGOUT_PATH: &str = "/auth/backchannel-logout";
/// Where security event tokens are taken.
pub const EVENTS_PATH: &str = "/auth/security-events";

/// Longest body, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// When an issuer may try again what could not be done at the moment.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Which kind of event a path takes; `None`: none.
pub fn kind_of(path: &str) -> Option<Kind> {
    match path {
        LOGOUT_PATH => Some(Kind::Logout),
        EVENTS_PATH => Some(Kind::SecurityEvent),
        _ => None,
    }
}

/// Takes one event in.
pub async fn handle(receiver: &Receiver, kind: Kind, request: Request<Incoming>) -> Response<Body> {
    if request.method() != Method::POST {
        let mut answer =
            refused(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "events are sent by POST");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    let (head, incoming) = request.into_parts();
    let form =
        head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("").to_ascii_lowercase();
    let expected = match kind {
        Kind::Logout => "application/x-www-form-urlencoded",
        Kind::SecurityEvent => "application/secevent+jwt",
    };
    if form.split(';').next().map(str::trim) != Some(expected) {
        return refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid_request",
            "the body has another type than events have",
        );
    }
    let Ok(bytes) = body::collect(incoming, MAX_BODY).await else {
        return refused(StatusCode::BAD_REQUEST, "invalid_request", "the body is too long or broke off");
    };
    let Some(token) = token_in(kind, &bytes) else {
        return refused(StatusCode::BAD_REQUEST, "invalid_request", "the body holds no token");
    };
    match receiver.take(kind, &token).await {
        Ok(()) => accepted(kind),
        Err(error) => {
            tracing::warn!(?kind, %error, "an event was not taken");
            answer_for(&error)
        }
    }
}

fn token_in(kind: Kind, body: &[u8]) -> Option<String> {
    match kind {
        Kind::SecurityEvent => std::str::from_utf8(body).ok().map(|text| text.trim().to_owned()),
        Kind::Logout => {
            let mut tokens = form_urlencoded::parse(body).filter(|(name, _)| name == "logout_token");
            tokens.next().filter(|_| tokens.next().is_none()).map(|(_, token)| token.into_owned())
        }
    }
}

/// Back-Channel Logout §2.8: 200; RFC 8935 §2.2: 202.
fn accepted(kind: Kind) -> Response<Body> {
    let mut answer = Response::new(body::empty());
    *answer.status_mut() = match kind {
        Kind::Logout => StatusCode::OK,
        Kind::SecurityEvent => StatusCode::ACCEPTED,
    };
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// RFC 8935 §2.3, which the other kind can be answered with as well. Which check failed stays here.
///
/// A 400 says that the event is wrong, and no issuer sends it again; what is our own trouble is a 503.
fn answer_for(error: &EventError) -> Response<Body> {
    match error {
        EventError::Token(reason) if reason.as_str() == "keys_unavailable" => {
            later("the token cannot be verified at the moment")
        }
        EventError::Revocation(RevocationError::Full) => later("there is no room for it at the moment"),
        EventError::NotKept(_) => later("it counts here, and could not be written down: send it again"),
        EventError::Token(_) | EventError::ForeignSubject => {
            refused(StatusCode::BAD_REQUEST, "invalid_request", "the token is not accepted")
        }
        EventError::Nobody
        | EventError::Revocation(RevocationError::Unclear | RevocationError::Issuer(_)) => {
            refused(StatusCode::BAD_REQUEST, "invalid_request", "the event names nothing that could end here")
        }
    }
}

fn later(description: &str) -> Response<Body> {
    let mut answer = refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable", description);
    retry_after(&mut answer, AGAIN_AFTER);
    answer
}

fn refused(status: StatusCode, error: &str, description: &str) -> Response<Body> {
    let mut answer = document_answer(&json!({"err": error, "error": error, "description": description}));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use bearward_guard::revocation::NotKept;
    use bearward_observe::Rejection;
    use http::header::RETRY_AFTER;

    use super::*;

    #[test]
    fn an_issuer_is_told_to_come_back_when_the_trouble_is_ours_and_only_then() {
        for (error, is_ours) in [
            (EventError::Token(Rejection::Signature), false),
            (EventError::Token(Rejection::KeysUnavailable), true),
            (EventError::Nobody, false),
            (EventError::ForeignSubject, false),
            (EventError::Revocation(RevocationError::Full), true),
            (EventError::Revocation(RevocationError::Unclear), false),
            (EventError::NotKept(NotKept("disk full".into())), true),
        ] {
            let answer = answer_for(&error);
            let expected = if is_ours { (503, Some("60")) } else { (400, None) };
            let after = answer.headers().get(RETRY_AFTER).map(|after| after.to_str().unwrap());
            assert_eq!((answer.status().as_u16(), after), expected, "{error}");
        }
    }
}
