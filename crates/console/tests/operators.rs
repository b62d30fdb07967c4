//! Who may use the admin API, and who may only look.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use axum::http::request::Builder;
use axum::http::{Request, StatusCode};
use bearward_console::{Console, Door, Supplies};
use bearward_gateway::browser::BrowserRules;
use bearward_guard::Revocations;
use bearward_observe::{Health, Observer};
use bearward_token::{ClientSecret, ManualClock};
use tower::ServiceExt;

/// What somebody at an address gets, with these credentials, of a console with or without a token.
async fn asked(path: &str, peer: &str, shown: Option<&str>, token: Option<&str>) -> StatusCode {
    asked_at(Door::Tcp, Request::get(path), peer, shown, token).await
}

async fn asked_at(
    door: Door,
    request: Builder,
    peer: &str,
    shown: Option<&str>,
    token: Option<&str>,
) -> StatusCode {
    let clock = Arc::new(ManualClock::at_unix_ms(0));
    let console = Console {
        observer: Observer::new(),
        health: Health::default(),
        guards: Arc::new([]),
        supplies: Supplies { providers: Arc::new([]), clock: clock.clone() },
        revocations: Arc::new(Revocations::new(clock)),
        browser: BrowserRules { origins: Vec::new(), hosts: Vec::new(), on_loopback: false },
        token: token.map(ClientSecret::new),
    };
    let peer: SocketAddr = peer.parse().unwrap();
    let mut request = request.header("host", "bearward.example");
    if let Some(shown) = shown {
        request = request.header("authorization", shown);
    }
    let router = console.router(door).layer(MockConnectInfo(peer));
    router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}

#[tokio::test]
async fn without_a_token_the_api_is_for_this_machine_and_with_one_for_who_has_it() {
    let (here, mapped, there) = ("127.0.0.1:1000", "[::ffff:127.0.0.1]:1000", "192.0.2.1:1000");
    let bearer = Some("Bearer operators-secret");
    for (peer, shown, token, expected) in [
        (here, None, None, 200),
        (mapped, None, None, 200),
        (there, None, None, 401),
        (there, bearer, None, 401),
        (there, bearer, Some("operators-secret"), 200),
        (here, bearer, Some("operators-secret"), 200),
        (here, None, Some("operators-secret"), 401),
        (there, Some("Bearer other"), Some("operators-secret"), 401),
        (there, Some("Basic operators-secret"), Some("operators-secret"), 401),
        (there, Some("Bearer operators-secret "), Some("operators-secret"), 401),
    ] {
        let status = asked("/api/revocations", peer, shown, token).await;
        assert_eq!(status, expected, "{peer} {shown:?} {token:?}");
    }
}

#[tokio::test]
async fn health_and_metrics_are_for_whoever_reaches_the_listener() {
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(asked(path, "192.0.2.1:1000", None, Some("operators-secret")).await, 200, "{path}");
    }
}

#[tokio::test]
async fn a_token_is_for_who_opens_the_socket_or_shows_the_operators_token_and_for_nobody_else_on_this_machine()
 {
    let (here, operator) = ("127.0.0.1:1000", Some("operators-secret"));
    let bearer = Some("Bearer operators-secret");
    for what in ["token", "logout"] {
        for (door, shown, token, expected) in [
            (Door::Tcp, None, None, 401),
            (Door::Tcp, bearer, None, 401),
            (Door::Tcp, None, operator, 401),
            // It comes as far as to be told that there is no such provider.
            (Door::Tcp, bearer, operator, 404),
            (Door::Socket, None, None, 404),
            (Door::Socket, None, operator, 404),
        ] {
            let request = Request::post(format!("/api/providers/notes/{what}"));
            let request = request.header("content-type", "application/json");
            let status = asked_at(door, request, here, shown, token).await;
            // An empty body is no question.
            let expected = if expected == 404 && what == "token" { 400 } else { expected };
            assert_eq!(status, expected, "{what} {door:?} {shown:?} {token:?}");
        }
    }
}
