//! `/api/cache`: whether a guard remembers a token, named by its SHA-256 so that no token is sent to ask.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bearward_guard::Guard;
use bearward_token::Fingerprint;
use serde::{Deserialize, Serialize};
use serde_json::json;

type Shared = Arc<[Arc<Guard>]>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The guard's resource.
    guard: String,
    /// SHA-256 of the token, in hex.
    sha256: String,
}

#[derive(Serialize)]
struct Found {
    /// For how long it is still remembered, in whole seconds; null: it is not.
    remembered_s: Option<u64>,
}

pub(crate) fn routes(guards: Shared) -> Router {
    Router::new().route("/api/cache", post(look)).with_state(guards)
}

async fn look(State(guards): State<Shared>, body: Result<Json<Asked>, JsonRejection>) -> Response {
    let Asked { guard, sha256 } = match body {
        Ok(Json(asked)) => asked,
        Err(error) => return wrong(error.status(), &error.body_text()),
    };
    let Some(token) = Fingerprint::from_hex(&sha256) else {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, "`sha256` must be the 64 hex digits of a SHA-256");
    };
    let Some(guard) = guards.iter().find(|one| one.settings().resource.as_str() == guard) else {
        return wrong(StatusCode::NOT_FOUND, "there is no guard of this resource here");
    };
    // All of them are looked through, which takes a while where there are many.
    let guard = guard.clone();
    let looking = tokio::task::spawn_blocking(move || guard.remembers(&token));
    let remembered_s = looking.await.ok().flatten().map(|left| left.as_secs());
    ([(header::CACHE_CONTROL, "no-store")], Json(Found { remembered_s })).into_response()
}

fn wrong(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error": message}))).into_response()
}
