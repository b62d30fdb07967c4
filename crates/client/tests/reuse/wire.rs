//! What really arrives, seen by a server that listens: by the middleware of reqwest and by rmcp's HTTP client.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use bearward_client::mcp::McpClient;
use bearward_client::{Mode, middleware};
use http::header::{AUTHORIZATION, COOKIE};
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_client::StreamableHttpClient;
use serde_json::json;
use tokio::net::TcpListener;

use crate::scene::Scene;

/// `Authorization` and `Cookie`, each as often as it stood there, and the body.
type Arrived = (Vec<String>, Vec<String>, String);

struct Server {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

/// One that answers with these statuses, and then with 200.
async fn server(statuses: &[u16]) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, arrived) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Arrived>>>::default());
    let (seen, next) = (arrived.clone(), Arc::new(Mutex::new(VecDeque::from(statuses.to_vec()))));
    let answer = move |headers: HeaderMap, body: String| {
        let all =
            |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect();
        seen.lock().unwrap().push((all(AUTHORIZATION), all(COOKIE), body));
        let status = next.lock().unwrap().pop_front().unwrap_or(200);
        async move { (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], "{}") }
    };
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Server { address, arrived }
}

impl Server {
    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    fn scene(&self) -> Scene {
        let mut scene = Scene::new();
        scene.provider.allow_insecure = true;
        scene.provider.origins = vec![format!("http://{}", self.address).parse().unwrap()];
        scene
    }

    fn authorizations(&self) -> Vec<Vec<String>> {
        self.arrived.lock().unwrap().iter().map(|(authorization, ..)| authorization.clone()).collect()
    }
}

fn ping() -> ClientJsonRpcMessage {
    serde_json::from_value(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).unwrap()
}

fn token(nth: u64) -> Vec<String> {
    vec![format!("Bearer token-{nth}")]
}

// HARD 15
#[tokio::test]
async fn the_middleware_repeats_a_refused_request_once_with_its_body_and_another_token() {
    for status in [401, 419] {
        let server = server(&[status]).await;
        let scene = server.scene();
        let client = middleware::client(scene.reuse(), reqwest::Client::builder()).unwrap();
        let answer = client.post(server.url()).body("call").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(server.authorizations(), [token(1), token(2)]);
        assert!(server.arrived.lock().unwrap().iter().all(|(_, _, body)| body == "call"));
    }
    let lasting = server(&[401, 401]).await;
    let scene = lasting.scene();
    let client = middleware::client(scene.reuse(), reqwest::Client::builder()).unwrap();
    assert_eq!(client.post(lasting.url()).body("call").send().await.unwrap().status(), 401);
    assert_eq!(lasting.authorizations().len(), 2, "one retry and no more");
}

#[tokio::test]
async fn a_token_for_loopback_takes_no_way_through_a_proxy() {
    let (proxy, destination) = (server(&[]).await, server(&[]).await);
    let through = || {
        let proxy = reqwest::Proxy::all(format!("http://{}", proxy.address)).unwrap();
        reqwest::Client::builder().proxy(proxy)
    };
    let scene = destination.scene();
    let client = middleware::client(scene.reuse(), through()).unwrap();
    client.get(destination.url()).send().await.unwrap();
    let client = McpClient::new(scene.reuse(), through()).unwrap();
    let _ = client.post_message(destination.url().into(), ping(), None, None, HashMap::new()).await;
    assert_eq!((proxy.authorizations().len(), destination.authorizations()), (0, vec![token(1), token(1)]));
}

#[tokio::test]
async fn a_program_that_speaks_for_itself_sends_one_credential_and_it_is_its_own() {
    let server = server(&[]).await;
    let scene = server.scene();
    let client = McpClient::new(scene.reuse(), reqwest::Client::builder()).unwrap();
    let own = HashMap::from([(AUTHORIZATION, "Bearer its-own".parse().unwrap())]);
    let _ = client.post_message(server.url().into(), ping(), None, None, own).await;
    let client = middleware::client(scene.reuse(), reqwest::Client::builder()).unwrap();
    client.get(server.url()).bearer_auth("its-own").send().await.unwrap();
    assert_eq!(server.authorizations(), [["Bearer its-own"], ["Bearer its-own"]]);
    // A name and a password in the URL are one of its own, or would be a second one.
    let with_password = server.url().replace("http://", "http://user:password@");
    client.get(&with_password).send().await.unwrap();
    assert!(server.authorizations()[2][0].starts_with("Basic ") && server.authorizations()[2].len() == 1);
    let client = McpClient::new(scene.reuse(), reqwest::Client::builder()).unwrap();
    let refused = client.post_message(with_password.into(), ping(), None, None, HashMap::new()).await;
    assert!(format!("{:?}", refused.err()).contains("OriginNotAllowed"));
    assert_eq!(server.authorizations().len(), 3);
}

// RFC 6265 §5.4
#[tokio::test]
async fn the_applications_cookie_stands_beside_the_programs_own_in_one_header() {
    let server = server(&[]).await;
    let mut scene = server.scene();
    scene.home = format!("http://{}", server.address);
    scene.provider.choice.mode = Some(Mode::CookieFirst);
    let client = middleware::client(scene.reuse(), reqwest::Client::builder()).unwrap();
    client.get(server.url()).header(COOKIE, "own=1").send().await.unwrap();
    let client = McpClient::new(scene.reuse(), reqwest::Client::builder()).unwrap();
    let own = HashMap::from([(COOKIE, "own=1".parse().unwrap())]);
    let _ = client.post_message(server.url().into(), ping(), None, None, own).await;
    for (authorization, cookies, _) in &*server.arrived.lock().unwrap() {
        assert!(authorization.is_empty());
        assert_eq!(cookies, &["own=1; __Host-session=opaque-and-secret"]);
    }
    assert_eq!(server.arrived.lock().unwrap().len(), 2);
}
