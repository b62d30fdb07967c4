//! `/api/providers/{name}/…`: a provider's token for an operator's scripts, and the end of its login.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bearward_gateway::Provider;
use bearward_supply::{Failure, Handle, Revoked, SupplyError, Wanted};
use bearward_token::Clock;
use serde::Deserialize;
use serde_json::json;

/// What is supplied, and the clock that tells how long it lives.
#[derive(Clone)]
pub struct Supplies {
    /// All of them.
    pub providers: Arc<[Arc<Provider>]>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    /// Time that the token should have left, in seconds.
    min_ttl_s: u64,
}

pub(crate) fn routes(supplies: Supplies) -> Router {
    Router::new()
        .route("/api/providers/{name}/token", post(token))
        .route("/api/providers/{name}/logout", post(log_out))
        .with_state(supplies)
}

async fn token(
    State(supplies): State<Supplies>,
    Path(name): Path<String>,
    body: Result<Json<Asked>, JsonRejection>,
) -> Response {
    let Asked { min_ttl_s } = match body {
        Ok(Json(asked)) => asked,
        Err(error) => return wrong(error.status(), &error.body_text()),
    };
    let handle = match supplies.shared(&name) {
        Ok(handle) => handle,
        Err(refused) => return *refused,
    };
    let wanted = Wanted { min_ttl: Duration::from_secs(min_ttl_s), ..Wanted::default() };
    match handle.ensure_lasting(&wanted).await {
        Ok(supplied) => answer(&json!({
            "access_token": supplied.token().expose(),
            "token_type": "Bearer",
            "expires_in": supplied.known_to_expire_in(&*supplies.clock).map(|left| left.as_secs()),
        })),
        Err(error) => failed(&error),
    }
}

async fn log_out(State(supplies): State<Supplies>, Path(name): Path<String>) -> Response {
    let handle = match supplies.shared(&name) {
        Ok(handle) => handle,
        Err(refused) => return *refused,
    };
    match handle.log_out().await {
        Ok(revoked) => answer(&json!({"revoked": word(revoked)})),
        Err(error) => failed(&error),
    }
}

/// What became of the tokens, in a fixed word.
pub fn word(revoked: Revoked) -> &'static str {
    match revoked {
        Revoked::Nothing => "nothing",
        Revoked::Done => "done",
        Revoked::Queued => "queued",
        Revoked::NotOffered => "not_offered",
    }
}

impl Supplies {
    fn shared(&self, name: &str) -> Result<Handle, Box<Response>> {
        let provider = self.providers.iter().find(|provider| &*provider.name == name);
        let Some(provider) = provider else {
            return Err(Box::new(wrong(StatusCode::NOT_FOUND, "there is no provider of this name here")));
        };
        provider.tokens.shared().cloned().ok_or_else(|| {
            let message = "this provider's tokens are its callers' own, and none is the machine's";
            Box::new(wrong(StatusCode::CONFLICT, message))
        })
    }
}

/// The authorization server's refusal is the operator's business; everything else may pass.
fn failed(error: &SupplyError) -> Response {
    let status = match *error.failure {
        Failure::Refused { .. }
        | Failure::ReauthRequired { .. }
        | Failure::Given { .. }
        | Failure::NoLogin => StatusCode::FORBIDDEN,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let retry_after_s = error.retry_after.map(|after| after.as_secs() + 1);
    let document = json!({"error": error.to_string(), "retry_after_s": retry_after_s});
    (status, [(header::CACHE_CONTROL, "no-store")], Json(document)).into_response()
}

fn answer(document: &serde_json::Value) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(document)).into_response()
}

fn wrong(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error": message}))).into_response()
}
