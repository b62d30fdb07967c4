//! `/api/revocations`: list, add, take back.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bearward_guard::Revocations;
use bearward_guard::revocation::{Revocation, RevocationError, Source};
use serde::Serialize;
use serde_json::json;

type Shared = Arc<Revocations>;

/// A revocation with where it comes from.
#[derive(Serialize)]
struct Listed {
    source: Source,
    #[serde(flatten)]
    revocation: Revocation,
}

pub(crate) fn routes(revocations: Shared) -> Router {
    Router::new().route("/api/revocations", get(list).post(add).delete(remove)).with_state(revocations)
}

async fn list(State(revocations): State<Shared>) -> impl IntoResponse {
    let listed = |(source, revocation)| Listed { source, revocation };
    let all: Vec<_> = revocations.list().into_iter().map(listed).collect();
    ([(header::CACHE_CONTROL, "no-store")], Json(all))
}

async fn add(State(revocations): State<Shared>, body: Result<Json<Revocation>, JsonRejection>) -> Response {
    let added =
        read(body).and_then(|one| revocations.add(Source::Api, &one).map_err(|error| explained(&error)));
    match added {
        Ok(()) => kept(&revocations, StatusCode::NO_CONTENT.into_response()).await,
        Err(answer) => *answer,
    }
}

async fn remove(
    State(revocations): State<Shared>,
    body: Result<Json<Revocation>, JsonRejection>,
) -> Response {
    let removed =
        read(body).and_then(|one| revocations.remove(Source::Api, &one).map_err(|error| explained(&error)));
    match removed {
        Ok(true) => kept(&revocations, StatusCode::NO_CONTENT.into_response()).await,
        Ok(false) => {
            // Who sends again what could not be written is not to take 404 for an end of the trouble.
            let answer = wrong(StatusCode::NOT_FOUND, "there is no such revocation from this API");
            kept(&revocations, *answer).await
        }
        Err(answer) => *answer,
    }
}

/// The answer once what was said outlives this process.
async fn kept(revocations: &Shared, answer: Response) -> Response {
    match revocations.keep().await {
        Ok(()) => answer,
        Err(error) => *wrong(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}; send it again")),
    }
}

fn read(body: Result<Json<Revocation>, JsonRejection>) -> Result<Revocation, Box<Response>> {
    body.map(|Json(revocation)| revocation).map_err(|error| wrong(error.status(), &error.body_text()))
}

fn explained(error: &RevocationError) -> Box<Response> {
    let status = match error {
        RevocationError::Full => StatusCode::INSUFFICIENT_STORAGE,
        RevocationError::Unclear | RevocationError::Issuer(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    wrong(status, &error.to_string())
}

fn wrong(status: StatusCode, message: &str) -> Box<Response> {
    Box::new((status, Json(json!({"error": message}))).into_response())
}
