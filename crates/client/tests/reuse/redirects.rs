//! A provider that sends its callers elsewhere does not get the token there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bearward_client::middleware;

use crate::scene::{Scene, bearer};

type Seen = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// Redirects `/away` to the other server, `/here` to itself; remembers who came with what.
async fn server(other: Option<SocketAddr>, seen: Seen) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |State(seen): State<Seen>, uri: Uri, headers: HeaderMap| async move {
        let authorization = headers.get(header::AUTHORIZATION).map(|it| it.to_str().unwrap().to_owned());
        seen.lock().unwrap().push((uri.path().to_owned(), authorization));
        let to = |place: String| -> Response {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)]).into_response()
        };
        match (uri.path(), other) {
            ("/away", Some(other)) => to(format!("http://{other}/stolen")),
            ("/here", _) => to("/there".into()),
            _ => StatusCode::OK.into_response(),
        }
    };
    let app = Router::new().fallback(answer).with_state(seen);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn a_redirect_takes_the_token_no_further_than_to_the_same_origin() {
    let (ours, theirs) = (Seen::default(), Seen::default());
    let thief = server(None, theirs.clone()).await;
    let address = server(Some(thief), ours.clone()).await;
    let mut scene = Scene::new();
    scene.provider.allow_insecure = true;
    scene.provider.origins = vec![format!("http://{address}").parse().unwrap()];
    let client = middleware::client(scene.reuse(), reqwest::Client::builder().no_proxy()).unwrap();
    let get = async |path: &str| client.get(format!("http://{address}{path}")).send().await.unwrap().status();
    assert_eq!(get("/here").await, 200);
    assert_eq!(*ours.lock().unwrap(), [("/here".into(), bearer(1)), ("/there".into(), bearer(1))]);
    assert_eq!(get("/away").await, 307, "the redirect itself");
    assert_eq!(*theirs.lock().unwrap(), []);
}
