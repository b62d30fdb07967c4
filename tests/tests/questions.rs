//! A server behind asks its caller something on the session's own stream, which is a GET that stays open, and gets its answer
//! by a POST: three requests of one caller that hang together, each by a connection of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bearward_tests::stage::{Plan, Stage};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hyper::body::{Body as HttpBody, Bytes, Frame};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

/// What a server that asks knows of its one session.
#[derive(Clone, Default)]
struct Asking(Arc<Mutex<Session>>);

#[derive(Default)]
struct Session {
    stream: Option<mpsc::UnboundedSender<Bytes>>,
    answered: Option<oneshot::Sender<Value>>,
}

/// The session's own stream.
struct Events(mpsc::UnboundedReceiver<Bytes>);

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

impl Asking {
    async fn open(State(Self(session)): State<Self>) -> Response {
        let (stream, events) = mpsc::unbounded_channel();
        session.lock().unwrap().stream = Some(stream);
        ([(CONTENT_TYPE, "text/event-stream")], axum::body::Body::new(Events(events))).into_response()
    }

    async fn take(State(Self(session)): State<Self>, Json(message): Json<Value>) -> Response {
        if message.get("method").is_none() {
            let answered = session.lock().unwrap().answered.take().expect("it was asked");
            answered.send(message["result"].clone()).unwrap();
            return StatusCode::ACCEPTED.into_response();
        }
        let (answered, answer) = oneshot::channel();
        {
            let mut session = session.lock().unwrap();
            session.answered = Some(answered);
            let question =
                json!({"jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params": {}});
            let event = format!("event: message\ndata: {question}\n\n");
            session.stream.as_ref().expect("the stream is open").send(event.into()).unwrap();
        }
        let answer = timeout(SOON, answer).await.expect("the caller answers").unwrap();
        Json(json!({"jsonrpc": "2.0", "id": message["id"], "result": {"told": answer}})).into_response()
    }
}

// SPEC PX-5
#[tokio::test]
async fn a_question_on_a_sessions_own_stream_reaches_the_caller_and_its_answer_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let asking = Router::new().route("/mcp", get(Asking::open).post(Asking::take));
    let behind = tokio::spawn(axum::serve(listener, asking.with_state(Asking::default())).into_future());
    let stage = Stage::with(Plan { upstream: Some(format!("url: '{url}'")), ..Plan::default() }).await;
    let token = stage.token();
    let opened = stage.http.get(&stage.resource).bearer_auth(&token).header("accept", "text/event-stream");
    // Its head has come before anything is asked: without one a question would be lost, wherever the guard stands.
    let mut stream = timeout(SOON, opened.send()).await.expect("its head comes at once").unwrap();
    assert_eq!(stream.status(), StatusCode::OK);

    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "ask"}});
    let call = tokio::spawn(stage.post(&token).body(call.to_string()).send());
    let mut question = String::new();
    while !question.ends_with("\n\n") {
        let piece = timeout(SOON, stream.chunk()).await.expect("the question comes").unwrap();
        question.push_str(std::str::from_utf8(&piece.expect("the stream stays open")).unwrap());
    }
    assert!(question.contains("sampling/createMessage"), "{question}");
    assert!(!call.is_finished(), "it waits for what the caller says");
    let said = json!({"jsonrpc": "2.0", "id": "q", "result": {"text": "yes"}});
    let taken = stage.post(&token).body(said.to_string()).send().await.unwrap();
    assert_eq!(taken.status(), StatusCode::ACCEPTED);

    let answer = timeout(SOON, call).await.expect("the call ends").unwrap().unwrap();
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 7, "result": {"told": {"text": "yes"}}}));
    behind.abort();
}
