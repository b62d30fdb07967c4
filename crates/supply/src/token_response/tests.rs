use bearward_issuer::Fetched;
use bytes::Bytes;
use http::HeaderMap;
use std::time::Duration;

use bearward_token::Fingerprint;

use super::*;

fn answer(status: u16, body: &str) -> Answered {
    let status = StatusCode::from_u16(status).unwrap();
    let answer = Fetched { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) };
    Answered { answer, credential: Fingerprint::of("secret") }
}

fn outcome(status: u16, body: &str) -> &'static str {
    read(&answer(status, body), 0).map_or_else(|failure| failure.outcome(), |_| "token")
}

// HARD 7
#[test]
fn a_200_without_a_sound_token_is_a_passing_failure() {
    for body in [
        "",
        "<html>",
        r#"{"access_token":"a""#,
        "{}",
        r#"["a","Bearer",60]"#,
        r#"{"access_token":"a"}"#,
        r#"{"access_token":"","token_type":"Bearer"}"#,
        r#"{"access_token":"a b","token_type":"Bearer"}"#,
        r#"{"access_token":"a\n","token_type":"Bearer"}"#,
        r#"{"access_token":"a","token_type":"mac"}"#,
    ] {
        let failure = read(&answer(200, body), 0).unwrap_err();
        assert_eq!((failure.outcome(), failure.is_passing()), ("bad_response", true), "{body}");
    }
}

#[test]
fn a_good_response_is_read_whatever_the_case_of_its_type() {
    let granted =
        read(&answer(200, r#"{"access_token":"a.b","token_type":"bearer","expires_in":60}"#), 0).unwrap();
    let granted = granted.granted;
    assert_eq!((granted.access_token.expose(), granted.lifetime), ("a.b", Duration::from_secs(60)));
}

#[test]
fn errors_are_sorted_by_what_can_be_done_about_them_in_both_dialects() {
    let cases = [
        (401, r#"{"error":"invalid_client","error_description":"hunter2"}"#, "refused"),
        (403, r#"{"error":"access_denied"}"#, "refused"),
        (400, "<html>", "refused"),
        (
            429,
            r#"{"statusCode":429,"error":"Too Many Requests","errorCode":"too_many_requests"}"#,
            "rate_limited",
        ),
        (403, r#"{"error":"too_many_requests"}"#, "rate_limited"),
        (500, "", "unavailable"),
        (503, r#"{"error":"temporarily_unavailable"}"#, "unavailable"),
        (400, r#"{"error":"temporarily_unavailable"}"#, "unavailable"),
        (400, r#"{"error":"server_error"}"#, "unavailable"),
        (302, "", "unavailable"),
        (408, "", "unavailable"),
    ];
    for (status, body, expected) in cases {
        assert_eq!(outcome(status, body), expected, "{status} {body}");
    }
}

// HARD 7, HARD 16
#[test]
fn an_oauth_error_with_status_200_is_that_error_and_any_other_word_is_half_an_answer() {
    let cases = [
        (r#"{"error":"invalid_client"}"#, "refused"),
        (r#"{"error":"invalid_grant","access_token":null}"#, "refused"),
        (r#"{"error":"slow_down"}"#, "rate_limited"),
        (r#"{"statusCode":429,"errorCode":"too_many_requests"}"#, "rate_limited"),
        (r#"{"error":"server_error"}"#, "unavailable"),
        (r#"{"error":"something"}"#, "bad_response"),
        (r#"{"error":null}"#, "bad_response"),
        (r#"{"error":null,"access_token":"a","token_type":"Bearer"}"#, "token"),
    ];
    for (body, expected) in cases {
        assert_eq!(outcome(200, body), expected, "{body}");
    }
}

// HARD 7
#[test]
fn a_part_of_an_answer_holds_no_token_however_whole_it_looks() {
    let body = r#"{"access_token":"a","token_type":"Bearer","expires_in":60}"#;
    assert_eq!(
        (outcome(206, body), outcome(200, body), outcome(201, body)),
        ("bad_response", "token", "token")
    );
}

// HARD 20
#[test]
fn nothing_of_a_body_but_a_well_formed_code_is_shown() {
    let said = |body: &str| read(&answer(400, body), 0).unwrap_err().to_string();
    assert!(said(r#"{"error":"invalid_client","error_description":"hunter2"}"#).contains("invalid_client"));
    for body in
        [r#"{"error":"x","error_description":"hunter2"}"#, r#"{"error":"HUNTER2 hunter2"}"#, "hunter2"]
    {
        assert!(!said(body).to_lowercase().contains("hunter2"), "{body}");
    }
}
