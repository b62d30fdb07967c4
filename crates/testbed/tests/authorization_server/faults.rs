use std::sync::Arc;
use std::time::{Duration, Instant};

use bearward_testbed::AuthorizationServer;
use bearward_testbed::authorization_server::{Fault, Place, TokenShape};
use bearward_testbed::raw::Act;
use bearward_token::ManualClock;
use serde_json::{Value, json};

use crate::visitor::{API, Visitor, claims, visitor};

const FORM: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("resource", API)];

async fn keys(visitor: &Visitor) -> reqwest::Result<reqwest::Response> {
    visitor.http.get(visitor.server.jwks_uri()).send().await
}

#[tokio::test]
async fn a_fault_strikes_as_often_as_it_was_asked_to_and_at_its_place_alone() {
    let visitor = visitor().await;
    let busy = Fault::Status { status: 429, body: "{}".into(), retry_after: Some("7".into()) };
    visitor.server.faults().next(Place::Jwks, 2, busy);
    visitor.server.faults().next(
        Place::Jwks,
        1,
        Fault::Status { status: 503, body: String::new(), retry_after: None },
    );
    for expected in [429, 429, 503, 200] {
        let answer = keys(&visitor).await.unwrap();
        assert_eq!(answer.status(), expected);
        let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(retry_after, (expected == 429).then_some("7"));
        assert_eq!(visitor.gateway(&FORM).await.0, 200);
    }
    assert_eq!(visitor.server.counts().snapshot().at(Place::Jwks), 4);
}

#[tokio::test]
async fn a_lasting_fault_lasts_until_it_is_cleared() {
    let visitor = visitor().await;
    visitor.server.faults().always(Place::Jwks, Fault::Body { body: "<html>".into() });
    for _ in 0..3 {
        assert_eq!(keys(&visitor).await.unwrap().text().await.unwrap(), "<html>");
    }
    visitor.server.faults().clear();
    assert!(keys(&visitor).await.unwrap().text().await.unwrap().starts_with('{'));
}

#[tokio::test]
async fn a_reset_gives_no_answer_and_a_half_sent_one_breaks_off() {
    let visitor = visitor().await;
    visitor.server.faults().next(Place::Jwks, 1, Fault::Reset);
    assert!(keys(&visitor).await.is_err());
    visitor.server.faults().next(Place::Jwks, 1, Fault::HalfSent);
    let half = keys(&visitor).await.unwrap();
    assert_eq!(half.status(), 200);
    assert!(half.bytes().await.is_err());
    assert_eq!(keys(&visitor).await.unwrap().status(), 200);
}

#[tokio::test]
async fn latency_delays_the_right_answer() {
    let visitor = visitor().await;
    visitor.server.faults().next(Place::Jwks, 1, Fault::Latency { ms: 50 });
    let began = Instant::now();
    assert_eq!(keys(&visitor).await.unwrap().status(), 200);
    assert!(began.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn token_responses_are_bent_as_asked() {
    let visitor = visitor().await;
    for odd in [json!("3600"), json!(-1), json!(1e300), json!(0.5), json!(null)] {
        let shape = TokenShape { expires_in: Some(odd.clone()), ..TokenShape::default() };
        visitor.server.faults().shape_tokens(shape);
        assert_eq!(visitor.gateway(&FORM).await.1["expires_in"], odd);
    }
    let shape =
        TokenShape { omit_expires_in: true, lifetime_s: Some(2), clock_skew_s: -90, ..TokenShape::default() };
    visitor.server.faults().shape_tokens(shape);
    let (_, answer) = visitor.gateway(&FORM).await;
    assert!(answer.as_object().unwrap().get("expires_in").is_none());
    let token = claims(&answer["access_token"]);
    assert_eq!((&token["iat"], &token["exp"]), (&json!(1_799_999_910), &json!(1_799_999_912)));
}

#[tokio::test]
async fn faults_and_counts_are_there_over_http_as_well() {
    let visitor = visitor().await;
    let control = async |method: reqwest::Method, path: &str, body: Value| {
        let url = format!("{}/_testbed/{path}", visitor.server.origin());
        let request = visitor.http.request(method, url).header("content-type", "application/json");
        request.body(body.to_string()).send().await.unwrap()
    };
    let fault = json!({"place": "jwks", "times": 1, "fault": {"kind": "status", "status": 500}});
    assert_eq!(control(reqwest::Method::POST, "faults", fault).await.status(), 204);
    assert_eq!(keys(&visitor).await.unwrap().status(), 500);
    let shape = json!({"lifetime_s": 5});
    assert_eq!(control(reqwest::Method::PUT, "token-shape", shape).await.status(), 204);
    assert_eq!(visitor.gateway(&FORM).await.1["expires_in"], 5);
    assert_eq!(control(reqwest::Method::DELETE, "faults", json!(null)).await.status(), 204);
    assert_eq!(visitor.gateway(&FORM).await.1["expires_in"], 3600);
    let counts = control(reqwest::Method::GET, "counts", json!(null)).await;
    let counts: Value = serde_json::from_slice(&counts.bytes().await.unwrap()).unwrap();
    assert_eq!(counts["endpoints"], json!({"jwks": 1, "token": 2}));
    assert_eq!(control(reqwest::Method::DELETE, "counts", json!(null)).await.status(), 204);
    assert_eq!(visitor.server.counts().snapshot().at(Place::Token), 0);
}

#[tokio::test]
async fn a_whole_answer_comes_with_the_status_headers_and_body_that_it_was_given() {
    let visitor = visitor().await;
    let headers = vec![("location".into(), "/elsewhere".into()), ("x-odd".into(), "1".into())];
    let moved = Fault::Answer { status: 307, headers, body: b"moved".to_vec() };
    visitor.server.faults().next(Place::Jwks, 1, moved);
    let answer = keys(&visitor).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (307, &"/elsewhere".parse().unwrap())
    );
    assert_eq!(answer.text().await.unwrap(), "moved");
}

#[tokio::test]
async fn raw_acts_are_played_on_the_socket_when_the_request_has_come() {
    let visitor = visitor().await;
    let head = Act::text("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n");
    let all = vec![head.clone(), Act::Fill { byte: b'x', count: 5 }];
    visitor.server.faults().next(Place::Jwks, 1, Fault::Raw { acts: all });
    assert_eq!(keys(&visitor).await.unwrap().text().await.unwrap(), "xxxxx");
    assert_eq!(visitor.server.counts().raw_bytes_sent(), 57 + 5);
    for broken in [vec![], vec![Act::Reset], vec![Act::text("nonsense\r\n\r\n")]] {
        visitor.server.faults().next(Place::Jwks, 1, Fault::Raw { acts: broken });
        assert!(keys(&visitor).await.is_err());
    }
    visitor.server.faults().next(Place::Jwks, 1, Fault::Raw { acts: vec![head, Act::Reset] });
    assert!(keys(&visitor).await.unwrap().bytes().await.is_err());
    assert_eq!(keys(&visitor).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_raw_answer_drips_by_the_servers_own_clock() {
    let clock = Arc::new(ManualClock::at_unix_ms(0));
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .algorithm(bearward_testbed::Algorithm::EdDsa)
        .start()
        .await
        .unwrap();
    let bytes = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
    let length = bytes.len() as u64;
    server.faults().next(Place::Jwks, 1, Fault::Raw { acts: vec![Act::Drip { bytes, every_ms: 1000 }] });
    let asked = tokio::spawn(reqwest::get(server.jwks_uri()));
    for sent in 0..length {
        while server.counts().raw_bytes_sent() < sent || clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(server.counts().raw_bytes_sent() == sent && !asked.is_finished());
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(asked.await.unwrap().unwrap().status(), 204);
}
