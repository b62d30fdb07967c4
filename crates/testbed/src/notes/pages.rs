//! What the notes API serves: notes, an echo that measures, a stream that takes its time.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;

use super::verify::Caller;
use super::{Note, NotesState, admit};

/// Most notes of one tenant.
const MOST_NOTES: usize = 10_000;

type Shared = Arc<NotesState>;

pub(super) fn router(state: &Shared) -> Router {
    Router::new()
        .route("/notes", get(list).post(add))
        .route("/echo", post(echo))
        .route("/stream", get(stream))
        .layer(from_fn_with_state(state.clone(), admit))
        .with_state(state.clone())
}

async fn list(State(state): State<Shared>, Extension(caller): Extension<Caller>) -> Json<Vec<Note>> {
    let notes = state.notes.lock().unwrap_or_else(PoisonError::into_inner);
    Json(notes.get(&caller.tenant).cloned().unwrap_or_default())
}

async fn add(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    note: Result<Json<Note>, JsonRejection>,
) -> Response {
    let Ok(Json(note)) = note else {
        return bad_request("bad_note", "a note is a JSON object with a title and a text");
    };
    let mut notes = state.notes.lock().unwrap_or_else(PoisonError::into_inner);
    let own = notes.entry(caller.tenant).or_default();
    if own.len() == MOST_NOTES {
        return bad_request("too_many_notes", "there is no room for another note");
    }
    own.push(note.clone());
    (StatusCode::CREATED, Json(note)).into_response()
}

/// Length and hash of what came, of any length, to prove that it came whole.
async fn echo(headers: HeaderMap, body: Body) -> Response {
    let (mut length, mut hash) = (0, Context::new(&SHA256));
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else {
            return bad_request("broken_body", "the body broke off");
        };
        length += chunk.len();
        hash.update(&chunk);
    }
    let said = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let hash = hex::encode(hash.finish());
    Json(json!({"length": length, "sha256": hash, "contentLength": said})).into_response()
}

#[derive(Deserialize)]
struct Pace {
    n: u32,
    interval_ms: u64,
}

/// Sends one line at a time, the first at once, to prove that nothing waits in a buffer.
async fn stream(Query(pace): Query<Pace>) -> Body {
    let lines = futures_util::stream::unfold(0, move |at| async move {
        if at == pace.n {
            return None;
        }
        if at > 0 {
            tokio::time::sleep(Duration::from_millis(pace.interval_ms)).await;
        }
        Some((Ok::<_, io::Error>(Bytes::from(format!("line {at}\n"))), at + 1))
    });
    Body::from_stream(lines)
}

fn bad_request(error: &str, message: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": error, "message": message}))).into_response()
}
