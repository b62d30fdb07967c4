//! Introspection (RFC 7662), revocation (RFC 7009), userinfo (OpenID Connect Core §5.3).

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};

use super::Shared;
use super::clients::ClientAuth;
use super::token::{Params, TokenError};

/// `POST /introspect`.
pub(super) async fn introspect(State(server): State<Shared>, headers: HeaderMap, form: Bytes) -> Response {
    let params = Params::parse(&form);
    match server.authenticate(&headers, &params) {
        // RFC 7662 §2.1: the endpoint is for those who can prove themselves; others could scan for tokens.
        Ok(client) if matches!(client.auth, ClientAuth::Public) => {
            return TokenError::InvalidClient.into_response();
        }
        Ok(_) => {}
        Err(error) => return error.into_response(),
    }
    let token = params.one("token").unwrap_or("");
    if let Some(held) = server.memory().refresh.find(token) {
        let answer = json!({"active": true, "sub": held.user, "client_id": held.client, "scope": held.scope});
        return Json(answer).into_response();
    }
    match server.read(token) {
        // RFC 7662 §2.2: about a token that is not active nothing more is said.
        None => Json(json!({"active": false})).into_response(),
        Some(mut claims) => {
            claims.insert("active".into(), true.into());
            claims.insert("token_type".into(), "Bearer".into());
            Json(Value::Object(claims)).into_response()
        }
    }
}

/// `POST /revoke`. Answers 200 for tokens it does not know, too (RFC 7009 §2.2).
pub(super) async fn revoke(State(server): State<Shared>, headers: HeaderMap, form: Bytes) -> Response {
    let params = Params::parse(&form);
    let client = match server.authenticate(&headers, &params) {
        Ok(client) => client,
        Err(error) => return error.into_response(),
    };
    let token = params.one("token").unwrap_or("");
    let jti = server.read(token).filter(|claims| claims.get("client_id") == Some(&client.id.as_str().into()));
    let mut memory = server.memory();
    if let Some(family) =
        memory.refresh.find(token).filter(|held| held.client == client.id).map(|h| h.family.clone())
    {
        memory.refresh.revoke(&family);
    }
    if let Some(jti) = jti.as_ref().and_then(|claims| claims.get("jti")).and_then(Value::as_str) {
        memory.revoked.insert(jti.to_owned());
    }
    StatusCode::OK.into_response()
}

/// `GET /userinfo`.
pub(super) async fn userinfo(State(server): State<Shared>, headers: HeaderMap) -> Response {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let claims = token.and_then(|value| value.strip_prefix("Bearer ")).and_then(|token| server.read(token));
    let Some(claims) = claims else {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    };
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or("");
    let more = server.users.get(subject).map(|user| user.claims.clone()).unwrap_or_default();
    let mut document = serde_json::Map::from_iter(more);
    document.insert("sub".into(), subject.into());
    Json(Value::Object(document)).into_response()
}
