//! Every other status than 200, with the bodies and headers that real servers send along.

use std::time::{Duration, UNIX_EPOCH};

use bearward_testbed::AuthorizationServer;
use bearward_testbed::authorization_server::Place;
use bearward_token::Clock;
use serde_json::json;

use crate::check::{each, one_request};
use crate::hidden::PLANTED;
use crate::row::{BAD_RESPONSE, Expected, RATE_LIMITED, Row, UNAVAILABLE, refused};
use crate::world::World;

fn status(status: u16, body: &str, expected: Expected) -> Row {
    Row::answer(&format!("{status} {body}"), status, &[("x-request-id", PLANTED)], body, expected)
}

fn retry_after(status: u16, value: &str, expected: Expected) -> Row {
    Row::answer(
        &format!("{status}, Retry-After: {value}"),
        status,
        &[("retry-after", value)],
        PLANTED,
        expected,
    )
}

fn oauth(code: &str) -> String {
    json!({"error": code, "error_description": format!("{PLANTED} is wrong")}).to_string()
}

fn auth0(status: u16, error: &str, code: &str) -> String {
    json!({"statusCode": status, "error": error, "message": PLANTED, "errorCode": code}).to_string()
}

#[tokio::test]
async fn a_redirect_is_followed_nowhere_and_passes() {
    let world = World::new().await;
    let elsewhere = AuthorizationServer::builder().start().await.unwrap();
    let places = [elsewhere.token_endpoint(), world.server.token_endpoint(), "/token".into(), PLANTED.into()];
    let mut rows = Vec::new();
    for code in [301, 302, 303, 307, 308] {
        for place in &places {
            rows.push(Row::answer(
                &format!("{code} to {place}"),
                code,
                &[("location", place)],
                "",
                UNAVAILABLE,
            ));
        }
        rows.push(status(code, PLANTED, UNAVAILABLE));
    }
    rows.extend([status(300, PLANTED, UNAVAILABLE), status(304, "", UNAVAILABLE)]);
    each(&world, rows).await;
    assert_eq!(elsewhere.counts().snapshot().at(Place::Token), 0);
    assert_eq!(
        world.server.counts().snapshot().at(Place::Token),
        world.fetch.posts(),
        "one each, none by itself"
    );
}

// HARD 7
#[tokio::test]
async fn a_success_that_is_not_200_holds_no_token() {
    let world = World::new().await;
    let token = format!(r#"{{"access_token":"{PLANTED}","token_type":"Bearer","expires_in":3600}}"#);
    let range = [("content-range", "bytes 0-99/1000")];
    let rows = vec![
        status(202, r#"{"status":"pending"}"#, BAD_RESPONSE),
        status(204, "", BAD_RESPONSE),
        status(205, "", BAD_RESPONSE),
        Row::answer("206, a part that looks whole", 206, &range, token.as_str(), BAD_RESPONSE),
        status(206, r#"{"access_token":"half"#, BAD_RESPONSE),
    ];
    each(&world, rows).await;
}

// HARD 7
#[tokio::test]
async fn a_refusal_is_told_by_its_code_or_status_in_every_dialect() {
    let world = World::new().await;
    let rows = vec![
        status(400, &oauth("invalid_request"), refused("invalid_request")),
        status(400, &oauth("invalid_grant"), refused("invalid_grant")),
        status(400, &oauth("unsupported_grant_type"), refused("unsupported_grant_type")),
        status(400, &oauth(PLANTED), refused("status 400")),
        status(400, r#"{"error":["invalid_client"]}"#, refused("status 400")),
        status(400, "", refused("status 400")),
        status(401, &oauth("invalid_client"), refused("invalid_client")),
        status(401, "", refused("status 401")),
        status(401, &format!("<html>{PLANTED}"), refused("status 401")),
        status(403, &oauth("access_denied"), refused("access_denied")),
        status(403, &auth0(403, "Forbidden", "insufficient_scope"), refused("status 403")),
        status(403, &format!("<html>blocked: {PLANTED}"), refused("status 403")),
        status(404, &oauth("invalid_request"), refused("invalid_request")),
        status(410, "", refused("status 410")),
        status(418, PLANTED, refused("status 418")),
    ];
    each(&world, rows).await;
}

#[tokio::test]
async fn a_4xx_that_says_that_the_server_or_the_way_to_it_is_in_trouble_passes() {
    let world = World::new().await;
    let rows = vec![
        status(400, &oauth("temporarily_unavailable"), UNAVAILABLE),
        status(400, &oauth("server_error"), UNAVAILABLE),
        status(404, "", UNAVAILABLE),
        status(404, &format!("<html>no route: {PLANTED}"), UNAVAILABLE),
        status(405, "", UNAVAILABLE),
        status(408, "", UNAVAILABLE),
        status(421, "", UNAVAILABLE),
        status(425, "", UNAVAILABLE),
        status(400, &oauth("slow_down"), RATE_LIMITED),
        status(403, &auth0(403, "Forbidden", "too_many_requests"), RATE_LIMITED),
    ];
    each(&world, rows).await;
}

#[tokio::test]
async fn a_5xx_and_what_is_no_status_at_all_pass() {
    let world = World::new().await;
    let mut rows: Vec<Row> = [500, 501, 502, 503, 504, 505, 507, 511, 520, 599, 600, 999]
        .map(|code| status(code, PLANTED, UNAVAILABLE))
        .into();
    rows.push(status(500, &oauth("server_error"), UNAVAILABLE));
    rows.push(status(500, &oauth("invalid_client"), UNAVAILABLE));
    rows.push(status(503, &oauth("temporarily_unavailable"), UNAVAILABLE));
    rows.push(status(502, &format!("<html>{PLANTED}</html>"), UNAVAILABLE));
    each(&world, rows).await;
}

// HARD 16
#[tokio::test]
async fn retry_after_holds_back_as_long_as_it_says_up_to_an_hour() {
    let world = World::new().await;
    let seconds = Duration::from_secs;
    let mut rows = vec![status(429, &auth0(429, "Too Many Requests", "too_many_requests"), RATE_LIMITED)];
    for (code, kind) in [(429, RATE_LIMITED), (503, UNAVAILABLE)] {
        let ever = kind.asking_for(Duration::from_secs(u64::MAX));
        rows.extend([
            retry_after(code, "7", kind.asking_for(seconds(7))),
            retry_after(code, " 7 ", kind.asking_for(seconds(7))),
            retry_after(code, "0", kind.asking_for(seconds(0))),
            retry_after(code, "3600", kind.asking_for(seconds(3600))),
            retry_after(code, "18446744073709551615", ever),
            retry_after(code, "99999999999999999999999999999999999999999", ever),
            retry_after(code, "Sun, 06 Nov 1994 08:49:37 GMT", kind.asking_for(seconds(0))),
            retry_after(code, "-7", kind),
            retry_after(code, "7.5", kind),
            retry_after(code, "soon", kind),
            retry_after(code, "", kind),
            retry_after(code, "Sun, 99 Nov 2994 08:49:37 GMT", kind),
        ]);
    }
    each(&world, rows).await;
}

// HARD 16
#[tokio::test]
async fn retry_after_as_a_date_is_a_pause_by_our_own_clock() {
    let world = World::new().await;
    let now = UNIX_EPOCH + Duration::from_millis(world.clock.unix_ms());
    for ahead in [30, 90, 86_400 * 365] {
        let pause = Duration::from_secs(ahead);
        let date = httpdate::fmt_http_date(now + pause);
        for (code, kind) in [(429, RATE_LIMITED), (503, UNAVAILABLE)] {
            one_request(&world, &retry_after(code, &date, kind.asking_for(pause))).await;
        }
    }
}
