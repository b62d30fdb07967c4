#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};

use bearward_guard::keys::Algorithm;
use bearward_guard::loaders::Inline;
use bearward_guard::{
    Expectations, GuardSettings, KeySource, LimitSettings, Mode, Pattern, Policy, Revocations, Rule,
    ScopePolicy, TrustedIssuer,
};
use bearward_observe::Observer;
use bearward_testbed::{Algorithm as SignWith, SigningKey, TokenBuilder};
use bearward_token::{ManualClock, ScopeSet};
use futures_util::stream;
use http::header::AUTHORIZATION;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::json;

use super::*;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://idp.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo"},{"name":"drop"}]}}"#;
const CUT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo"}]}}"#;

fn rule(methods: &[&str], names: &[&str]) -> Rule {
    let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect();
    let scopes = ScopeSet::from_token("admin");
    Rule { methods: patterns(methods), names: patterns(names), scopes, roles: Vec::new() }
}

/// What a guard with these rules does for a caller without scopes.
async fn cut_by(rules: Vec<Rule>, mode: Mode) -> Option<Cut> {
    let key = Arc::new(SigningKey::generate(SignWith::EdDsa));
    let clock = Arc::new(ManualClock::at_unix_ms(NOW * 1000));
    let document = json!({"keys": [key.public_jwk()]}).to_string();
    let keys = KeySource::start(ISSUER.parse().unwrap(), Arc::new(Inline { document }), clock.clone());
    while keys.generation() == 0 {
        tokio::task::yield_now().await;
    }
    let settings = GuardSettings {
        name: "mcp".into(),
        resource: RESOURCE.parse().unwrap(),
        realm: "mcp".into(),
        scopes: ScopePolicy::default(),
        policy: Policy::new(rules),
        limits: LimitSettings::default(),
        mode,
        revocations: Arc::new(Revocations::new(clock.clone())),
        cache_ttl: Duration::ZERO,
        cache_entries: 0,
        pre_provisioned: false,
        description: bearward_guard::metadata::Description::default(),
    };
    let issuer = TrustedIssuer {
        issuer: ISSUER.parse().unwrap(),
        keys: Some(Arc::new(keys)),
        opaque: None,
        algorithms: vec![Algorithm::EdDSA],
        expectations: Expectations::for_audiences(vec![RESOURCE.into()]),
    };
    let guard = Arc::new(Guard::new(settings, vec![issuer], clock, Observer::new()));
    let token = TokenBuilder::new(ISSUER, key, NOW).audience(RESOURCE).build();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    let caller = guard.admit(&headers, None, None).await.unwrap();
    Cut::new(&guard, &caller, &[])
}

/// Hides `drop`.
async fn cut() -> Cut {
    cut_by(vec![rule(&["tools/call"], &["drop"])], Mode::default()).await.unwrap()
}

fn pieces(pieces: Vec<Bytes>) -> Body {
    let frames = pieces.into_iter().map(|piece| Ok::<_, BodyError>(Frame::data(piece)));
    body::other(StreamBody::new(stream::iter(frames)))
}

async fn answered(status: u16, headers: &[(&str, &str)], body: Body) -> Option<Vec<u8>> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    let answer = cut().await.apply(Box::new(answer.body(body).unwrap())).await.ok()?;
    assert_eq!(answer.status(), status);
    Some(answer.into_body().collect().await.unwrap().to_bytes().to_vec())
}

async fn text(status: u16, headers: &[(&str, &str)], body: &'static str) -> Option<String> {
    answered(status, headers, body::full(body)).await.map(|body| String::from_utf8(body).unwrap())
}

async fn events(parts: &[&'static [u8]]) -> String {
    let body = pieces(parts.iter().map(|part| Bytes::from_static(part)).collect());
    let body = answered(200, &[("content-type", "text/event-stream")], body).await;
    String::from_utf8(body.unwrap()).unwrap()
}

#[tokio::test]
async fn json_is_cut_whatever_it_calls_itself() {
    for kind in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "text/json",
        "application/problem+json",
        "application/vnd.mcp+json;v=1",
    ] {
        let answer = text(200, &[("content-type", kind), ("content-encoding", "identity")], LIST).await;
        assert_eq!(answer.as_deref(), Some(CUT), "{kind}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_looked_at_is_refused() {
    let json = ("content-type", "application/json");
    for headers in [
        &[json, ("content-encoding", "gzip")][..],
        &[json, ("content-encoding", "identity, br")],
        &[json, ("content-encoding", "identity"), ("content-encoding", "zstd")],
        &[("content-type", "text/event-stream"), ("content-encoding", "gzip")],
        &[("content-type", "application/json-rpc")],
        &[("content-type", "application/json, text/event-stream")],
        &[json, ("content-type", "text/event-stream")],
        &[("content-type", "text/plain")],
        &[("content-type", "")],
        &[],
    ] {
        assert_eq!(text(200, headers, LIST).await, None, "{headers:?}");
        assert_eq!(text(201, headers, "x").await, None, "{headers:?}");
    }
    assert_eq!(text(206, &[json], "[]").await, None, "a part that the caller chose");
}

#[tokio::test]
async fn json_that_is_none_is_refused() {
    for body in ["x", "{", r#"{"result":{"tools":[NaN]}}"#, "{} {}", "data: {}\n\n"] {
        assert_eq!(text(200, &[("content-type", "application/json")], body).await, None, "{body}");
    }
}

#[tokio::test]
async fn errors_and_empty_answers_pass_as_they_are() {
    let json = ("content-type", "application/json");
    for (status, headers, body) in [
        (406, &[][..], "Not Acceptable"),
        (415, &[("content-type", "text/plain")], "Unsupported Media Type"),
        (400, &[json], r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}"#),
        (500, &[json], "<html>"),
        (404, &[json, ("content-encoding", "gzip")], "\u{1f}"),
        (302, &[("content-type", "text/html")], "moved"),
        (202, &[], ""),
        (202, &[json], ""),
        (204, &[], ""),
        (200, &[("content-encoding", "gzip")], ""),
        (200, &[json], " \n"),
        (200, &[json], r#"{"jsonrpc":"2.0","id":1,"result":{"n":1e400}}"#),
    ] {
        assert_eq!(text(status, headers, body).await.as_deref(), Some(body), "{status} {headers:?} {body}");
    }
    for headers in [&[][..], &[("content-type", "text/plain")], &[("content-encoding", "gzip")]] {
        assert_eq!(text(202, headers, "Accepted").await.as_deref(), Some(""), "a word of courtesy");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_breaks_off_is_an_error() {
    let long = body::full(vec![b' '; MAX_LIST + 1]);
    assert!(answered(200, &[("content-type", "application/json")], long).await.is_none());
    let frames = [Ok(Frame::data(Bytes::from("{}"))), Err(BodyError::from("gone"))];
    let broken = body::other(StreamBody::new(stream::iter(frames)));
    assert!(answered(200, &[("content-type", "application/json")], broken).await.is_none());
}

// HTML standard §9.2.6
#[tokio::test]
async fn a_list_in_a_stream_is_cut_whatever_ends_its_lines() {
    let data = |text: &str, end: &str| format!("id: 7{end}data: {text}{end}{end}");
    for end in ["\n", "\r\n", "\r"] {
        for start in ["", "\u{feff}", "\n", ": hello\n\n"] {
            let stream = format!("{start}{}", data(LIST, end));
            let body = body::full(stream.clone());
            let whole = answered(200, &[("content-type", "text/event-stream")], body).await.unwrap();
            let whole = String::from_utf8(whole).unwrap();
            let expected = data(CUT, "\n");
            assert!(whole.ends_with(&expected), "{stream:?} became {whole:?}");
            assert!(!whole.contains("drop"), "{whole:?}");
            let bytes = stream.as_bytes().iter().map(|byte| Bytes::copy_from_slice(&[*byte])).collect();
            let kind = [("content-type", "text/event-stream")];
            let by_byte = String::from_utf8(answered(200, &kind, pieces(bytes)).await.unwrap()).unwrap();
            assert!(by_byte.ends_with(&expected), "{stream:?} byte by byte became {by_byte:?}");
        }
    }
}

#[tokio::test]
async fn an_event_with_mixed_line_ends_or_many_data_lines_is_cut() {
    for stream in [
        &b"event: message\rdata: {\"id\":1,\"result\":\ndata: {\"tools\":[{\"name\":\"drop\"}]}}\r\n\r"[..],
        b"data:{\"result\"\r\ndata::{\"tools\":[\rdata:{\"name\":\"drop\"}\ndata\ndata:]}}\n\r\n",
        b"data: {\"result\":{\"tools\":[{\"name\":\"drop\"}]}}\r\n\n",
        b"\xef\xbb\xbfdata: {\"result\":{\"tools\":[{\"name\":\"drop\"}]}}\n\n",
    ] {
        let passed = events(&[stream]).await;
        assert!(passed.contains(r#""tools":[]"#) && passed.ends_with("\n\n"), "{passed:?}");
        assert!(!passed.contains("drop"), "{passed:?}");
    }
}

#[tokio::test]
async fn one_event_that_is_no_json_is_left_out_and_the_others_pass() {
    let passed = events(&[
        b"event: endpoint\ndata: /messages?id=1\n\n",
        b"id: 1\ndata:\n\n: ping\n\n",
        b"data: {\"result\":{\"tools\":[{\"name\":\"drop\"}],\"n\":NaN}}\n\n",
        b"data: {\"id\":2}\n\ndata: {\"never\":\"ended\"}\n",
    ])
    .await;
    let expected = "event: endpoint\ndata: /messages?id=1\n\nid: 1\ndata:\n\n: ping\n\ndata: {\"id\":2}\n\n";
    assert_eq!(passed, expected);
}

// SPEC PX-5
#[tokio::test]
async fn an_event_passes_as_soon_as_it_ends() {
    for event in ["data: 1\n\n", "data: 1\r\n\r\n", "data: 1\r\r", "data: 1\r\n\r"] {
        let first = stream::iter([Ok::<_, BodyError>(Frame::data(Bytes::from(event)))]);
        let body = body::other(StreamBody::new(futures_util::StreamExt::chain(first, stream::pending())));
        let answer = Response::builder().header("content-type", "text/event-stream").body(body).unwrap();
        let mut body = cut().await.apply(Box::new(answer)).await.unwrap().into_body();
        let frame = futures_util::FutureExt::now_or_never(body.frame());
        assert!(frame.is_some(), "{event:?} waits");
    }
}

#[tokio::test]
async fn an_event_of_many_small_pieces_costs_about_what_it_costs_in_one() {
    let padding = "x".repeat(4 * 1024 * 1024);
    let event = Bytes::from(format!("data: {{\"padding\":\"{padding}\"}}\n\n"));
    let small: Vec<Bytes> = event.chunks(1024).map(Bytes::copy_from_slice).collect();
    let started = Instant::now();
    let passed = answered(200, &[("content-type", "text/event-stream")], pieces(small)).await.unwrap();
    // Without rescanning a fraction of a second, with it the better part of a minute.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert!(passed == event);
}

#[tokio::test]
async fn an_event_that_is_too_long_ends_the_stream_with_an_error() {
    let answer = Response::builder().header("content-type", "text/event-stream");
    let long = pieces(vec![Bytes::from("data: 1\n\n"), vec![b'x'; MAX_LIST + 1].into()]);
    let mut body = cut().await.apply(Box::new(answer.body(long).unwrap())).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "data: 1\n\n");
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.frame().await.is_none());
}

// SPEC RS-6
#[tokio::test]
async fn lists_are_cut_where_any_rule_could_refuse_what_they_show() {
    for (rules, is_cut, is_shown) in [
        (vec![], false, true),
        (vec![rule(&["tools/call"], &[])], true, false),
        (vec![rule(&["tools/*"], &[])], true, false),
        (vec![rule(&[], &["drop"])], true, false),
        (vec![rule(&[], &[])], true, false),
        (vec![rule(&["tools/call"], &["other"])], true, true),
        (vec![rule(&["tools/list"], &[])], false, true),
        (vec![rule(&["resources/read"], &[])], true, true),
        (vec![rule(&["prompts/get"], &["drop"])], true, true),
    ] {
        let cut = cut_by(rules.clone(), Mode::default()).await;
        assert_eq!(cut.is_some(), is_cut, "{rules:?}");
        let text = cut.and_then(|cut| cut.text(LIST.as_bytes()).unwrap()).unwrap_or(LIST.into());
        assert_eq!(text.contains("drop"), is_shown, "{rules:?}");
    }
}

#[tokio::test]
async fn a_guard_that_does_not_refuse_a_caller_hides_nothing_from_it() {
    for (mode, is_cut) in [
        (Mode::Off, false),
        (Mode::OBSERVE, false),
        (Mode::Enforce { percent: 0 }, false),
        (Mode::Enforce { percent: 100 }, true),
    ] {
        let cut = cut_by(vec![rule(&["tools/call"], &["drop"])], mode).await;
        assert_eq!(cut.is_some(), is_cut, "{mode:?}");
    }
    let of_share = |percent| cut_by(vec![rule(&[], &[])], Mode::Enforce { percent });
    let first = {
        let mut first = 0;
        while of_share(first).await.is_none() {
            first += 1;
        }
        first
    };
    assert!((1..=100).contains(&first), "this caller is in every share from {first} % on");
    assert!(of_share(first - 1).await.is_none() && of_share(first).await.is_some());
}

#[test]
fn an_upstream_is_asked_for_whole_answers_that_are_not_compressed() {
    let mut headers = HeaderMap::new();
    for (name, value) in [("accept-encoding", "gzip, br"), ("range", "bytes=9-"), ("if-range", "\"x\"")] {
        headers.append(name, value.parse().unwrap());
    }
    ask_plainly(&mut headers);
    assert_eq!(headers.len(), 1);
    assert_eq!(headers["accept-encoding"], "identity");
}

#[tokio::test]
async fn the_answer_to_a_call_that_has_no_list_passes_whatever_it_holds_unless_it_is_a_stream() {
    let call = |method: &str| Call { method: Some(method.into()), name: Some("x".into()) };
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"drop"},{"name":"keep"}]}}"#;
    for (calls, is_cut) in [
        (vec![call("tools/call")], false),
        (vec![call("prompts/get"), call("resources/read")], false),
        (vec![call("tools/call"), call("tools/list")], true),
        (vec![call("tools/List")], true),
        (vec![Call { method: None, name: None }], true),
        (vec![], true),
    ] {
        let mut cut = cut().await;
        cut.may_answer_with_list = Cut::may_answer_with_list(&calls);
        let answer = Response::builder().header(CONTENT_TYPE, "application/json");
        let answer = cut.clone().apply(Box::new(answer.body(body::full(list)).unwrap())).await.unwrap();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(!text.windows(6).any(|word| word == b"\"drop\""), is_cut, "{calls:?}");
        let event = format!("data: {list}\n\n");
        let answer = Response::builder().header(CONTENT_TYPE, "text/event-stream");
        let answer = cut.apply(Box::new(answer.body(body::full(event)).unwrap())).await.unwrap();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(!text.windows(6).any(|word| word == b"\"drop\""), "{calls:?}");
    }
}
