//! Answers in the shapes that Vault documents.

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::faults::Fault;
use crate::random_id;
use crate::served::CloseInstead;

/// What every answer of Vault's is wrapped in.
pub(super) fn wrapped(data: &Value, auth: &Value) -> Response<Body> {
    let body = json!({
        "request_id": random_id(), "lease_id": "", "renewable": false, "lease_duration": 0,
        "data": data, "wrap_info": null, "warnings": null, "auth": auth,
    });
    json_answer(StatusCode::OK, &body)
}

/// A token that was given out or renewed.
pub(super) fn auth(token: &str, policies: &[String], lease: u64, is_renewable: bool) -> Value {
    json!({
        "client_token": token, "accessor": random_id(), "policies": policies, "token_policies": policies,
        "metadata": {}, "lease_duration": lease, "renewable": is_renewable, "entity_id": random_id(),
        "token_type": if is_renewable { "service" } else { "batch" }, "orphan": true, "num_uses": 0,
    })
}

pub(super) fn error(status: StatusCode, errors: &[&str]) -> Response<Body> {
    json_answer(status, &json!({"errors": errors}))
}

pub(super) fn denied() -> Response<Body> {
    error(StatusCode::FORBIDDEN, &["1 error occurred:\n\t* permission denied\n\n"])
}

pub(super) fn no_content() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

pub(super) fn json_answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    answer
}

/// What a bad day looks like; silence never ends.
pub(super) async fn fault(fault: Fault) -> Response<Body> {
    match fault {
        Fault::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error(status, &["internal error"])
        }
        Fault::Redirect(to) => {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            if let Ok(to) = to.try_into() {
                answer.headers_mut().insert(header::LOCATION, to);
            }
            answer
        }
        Fault::Body(body) => Response::new(Body::from(body)),
        Fault::Reset => {
            let mut answer = Response::new(Body::empty());
            answer.extensions_mut().insert(CloseInstead);
            answer
        }
        Fault::Silence => std::future::pending().await,
    }
}
