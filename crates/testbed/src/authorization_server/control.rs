//! The faults and counters over HTTP, for tests in another process: `/_testbed/…`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Fault, Place, Shared, TokenShape};
use crate::keys::Algorithm;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/_testbed/faults", post(add_fault).delete(clear_faults))
        .route("/_testbed/token-shape", put(shape_tokens))
        .route("/_testbed/counts", get(counts).delete(reset_counts))
        .route("/_testbed/secrets", get(secrets))
        .route("/_testbed/keys/rotate", post(rotate))
        .route("/_testbed/keys/withdraw", post(withdraw))
        .route("/_testbed/mint", post(mint))
}

#[derive(Deserialize)]
struct AddFault {
    place: Place,
    fault: Fault,
    /// Left out: until cleared.
    times: Option<u32>,
}

async fn add_fault(State(server): State<Shared>, Json(add): Json<AddFault>) -> StatusCode {
    match add.times {
        Some(times) => server.faults.next(add.place, times, add.fault),
        None => server.faults.always(add.place, add.fault),
    }
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(server): State<Shared>) -> StatusCode {
    server.faults.clear();
    StatusCode::NO_CONTENT
}

async fn shape_tokens(State(server): State<Shared>, Json(shape): Json<TokenShape>) -> StatusCode {
    server.faults.shape_tokens(shape);
    StatusCode::NO_CONTENT
}

async fn counts(State(server): State<Shared>) -> impl IntoResponse {
    Json(server.counts.snapshot())
}

async fn reset_counts(State(server): State<Shared>) -> StatusCode {
    server.counts.reset();
    StatusCode::NO_CONTENT
}

async fn secrets(State(server): State<Shared>) -> impl IntoResponse {
    Json(server.counts.secrets())
}

#[derive(Deserialize)]
struct Rotate {
    algorithm: Option<String>,
}

async fn rotate(State(server): State<Shared>, Json(rotate): Json<Rotate>) -> impl IntoResponse {
    let algorithm = match rotate.algorithm.as_deref() {
        Some("ES256") => Algorithm::Es256,
        Some("EdDSA") => Algorithm::EdDsa,
        _ => Algorithm::Rs256,
    };
    Json(json!({"kid": server.keys.rotate(algorithm).kid()}))
}

#[derive(Deserialize)]
struct Withdraw {
    kid: String,
}

async fn withdraw(State(server): State<Shared>, Json(withdraw): Json<Withdraw>) -> StatusCode {
    server.keys.withdraw(&withdraw.kid);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Mint {
    audience: String,
    #[serde(default)]
    claims: serde_json::Map<String, Value>,
}

/// A token as [`super::AuthorizationServer::token_for`] makes it, with claims replaced.
async fn mint(State(server): State<Shared>, Json(mint): Json<Mint>) -> impl IntoResponse {
    let builder = crate::mint::TokenBuilder::new(&server.issuer(), server.keys.current(), server.now());
    let builder = mint
        .claims
        .into_iter()
        .fold(builder.audience(&mint.audience), |b, (name, value)| b.claim(&name, value));
    let token = builder.build();
    server.counts.remember(&token);
    Json(json!({"access_token": token}))
}
