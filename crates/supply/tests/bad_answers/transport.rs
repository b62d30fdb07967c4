//! Answers that break off, are no HTTP, or say their length wrong.

use bearward_testbed::authorization_server::Fault;
use bearward_testbed::raw::Act;

use crate::check::each;
use crate::hidden::PLANTED;
use crate::row::{BAD_RESPONSE, Expected, Row, UNAVAILABLE, UNREACHABLE};
use crate::world::World;

pub(crate) const MEGABYTE: u64 = 1024 * 1024;

/// A sound head but for what `headers` say; the connection ends with the acts.
pub(crate) fn head(headers: &str) -> Act {
    Act::text(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{headers}\r\n"))
}

pub(crate) fn token() -> String {
    format!(r#"{{"access_token":"{PLANTED}","token_type":"Bearer","expires_in":3600}}"#)
}

fn broken(name: &str, text: impl Into<String>) -> Row {
    Row::raw(name, vec![Act::text(text)], UNREACHABLE)
}

/// A head and a body.
fn framed(name: &str, headers: &str, body: impl Into<String>, expected: Expected) -> Row {
    Row::raw(name, vec![head(headers), Act::text(body)], expected)
}

// HARD 7
#[tokio::test]
async fn a_connection_that_breaks_off_is_a_passing_failure() {
    let world = World::new().await;
    let length = format!("content-length: {}\r\n", token().len());
    let half = Act::text(&token()[..token().len() / 2]);
    let rows = vec![
        Row::new("closed by the server's own HTTP", Fault::Reset, UNREACHABLE),
        Row::new("half sent by the server's own HTTP", Fault::HalfSent, UNREACHABLE),
        Row::raw("closed without a word", vec![], UNREACHABLE),
        Row::raw("reset without a word", vec![Act::Reset], UNREACHABLE),
        broken("closed in the status line", "HTTP/1.1 20"),
        broken("closed in a header", format!("HTTP/1.1 200 OK\r\nx-a: {PLANTED}")),
        Row::raw("closed after the head", vec![head(&length)], UNREACHABLE),
        Row::raw("reset after the head", vec![head(&length), Act::Reset], UNREACHABLE),
        Row::raw("reset in the body", vec![head(&length), half, Act::Reset], UNREACHABLE),
    ];
    each(&world, rows).await;
}

#[tokio::test]
async fn what_is_no_http_is_a_passing_failure_and_not_shown() {
    let world = World::new().await;
    let many: String = (0..500).map(|n| format!("x-{n}: {PLANTED}\r\n")).collect();
    let rows = vec![
        broken("a greeting of another protocol", format!("SSH-2.0-{PLANTED}\r\n")),
        broken("a body without a head", token() + "\r\n\r\n"),
        broken("a TLS alert", "\u{15}\u{3}\u{3}\0\u{2}\u{2}F"),
        broken("a status of four digits", format!("HTTP/1.1 2000 OK\r\n\r\n{}", token())),
        broken("a status of letters", format!("HTTP/1.1 {PLANTED}\r\n\r\n")),
        broken("HTTP of the future", format!("HTTP/9.9 200 OK\r\n\r\n{}", token())),
        broken("a header without a name", format!("HTTP/1.1 200 OK\r\n: {PLANTED}\r\n\r\n{}", token())),
        broken("a null in a header", format!("HTTP/1.1 200 OK\r\nx-a: \0{PLANTED}\r\n\r\n{}", token())),
        broken("500 headers", format!("HTTP/1.1 200 OK\r\n{many}\r\n{}", token())),
        Row::raw(
            "a header of 10 MB",
            vec![Act::text("HTTP/1.1 200 OK\r\nx-a: "), Act::Fill { byte: b'a', count: 10 * MEGABYTE }],
            UNREACHABLE,
        ),
        broken("a hint and no answer", "HTTP/1.1 103 Early Hints\r\n\r\n"),
        broken("100 and no answer", "HTTP/1.1 100 Continue\r\n\r\n"),
        Row::raw(
            "101, to another protocol",
            vec![Act::text(format!(
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n{PLANTED}"
            ))],
            UNAVAILABLE,
        ),
    ];
    each(&world, rows).await;
}

#[tokio::test]
async fn a_body_whose_length_is_a_lie_is_a_passing_failure() {
    let world = World::new().await;
    let chunked = "transfer-encoding: chunked\r\n";
    let length = token().len();
    let framed_so = |name: &str, headers: &str| framed(name, headers, token(), UNREACHABLE);
    let rows = vec![
        framed_so("longer than the body", &format!("content-length: {}\r\n", length + 1)),
        framed_so("longer than any body", "content-length: 18446744073709551614\r\n"),
        framed_so("beyond 64 bits", "content-length: 99999999999999999999999\r\n"),
        framed_so("negative", "content-length: -1\r\n"),
        framed_so("a word", &format!("content-length: {PLANTED}\r\n")),
        framed_so("two lengths", &format!("content-length: {length}\r\ncontent-length: 4\r\n")),
        framed("shorter than the body", "content-length: 20\r\n", token(), BAD_RESPONSE),
        framed("zero", "content-length: 0\r\n", token(), BAD_RESPONSE),
        framed_so("chunks without sizes", chunked),
        framed(
            "a size that is a word",
            chunked,
            format!("{PLANTED}\r\n{}\r\n0\r\n\r\n", token()),
            UNREACHABLE,
        ),
        framed("a size beyond 64 bits", chunked, format!("{}\r\n{}", "f".repeat(30), token()), UNREACHABLE),
        framed("a chunk that ends late", chunked, format!("5\r\n{}\r\n0\r\n\r\n", token()), UNREACHABLE),
        framed("no last chunk", chunked, format!("{length:x}\r\n{}\r\n", token()), UNREACHABLE),
    ];
    each(&world, rows).await;
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_taken_for_none_of_the_next_ones() {
    let world = World::new().await;
    let second = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", token().len(), token());
    let with = |name: &str, first: &str, expected| {
        Row::raw(name, vec![Act::text(format!("{first}{second}")), Act::Hold], expected)
    };
    let rows = vec![
        with("behind an empty object", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", BAD_RESPONSE),
        with("behind a 503", "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", UNAVAILABLE),
    ];
    each(&world, rows).await;
}
