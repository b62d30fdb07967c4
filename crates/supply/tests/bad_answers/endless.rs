//! Answers that do not end in time, and answers that are too much.

use bearward_supply::Grant;
use bearward_testbed::authorization_server::{Fault, Place};
use bearward_testbed::raw::Act;

use crate::check::each;
use crate::row::{BAD_RESPONSE, Row, TIMEOUT, UNREACHABLE};
use crate::transport::{MEGABYTE, head, token};
use crate::world::World;

// HARD 2, HARD 7
#[tokio::test]
async fn a_server_that_drips_or_stops_in_the_middle_is_left_when_the_attempt_has_had_its_time() {
    let world = World::new().await;
    let length = format!("content-length: {}\r\n", token().len());
    let whole = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{length}\r\n{}", token());
    let drip = |text: &str| Act::Drip { bytes: text.into(), every_ms: 1000 };
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
    let rows = vec![
        Row::raw("a byte each second", vec![drip(&whole)], TIMEOUT),
        Row::raw("a byte of the body each second", vec![head(&length), drip(&token())], TIMEOUT),
        Row::raw("no answer at all", vec![Act::Hold], TIMEOUT),
        Row::raw("a head and no body", vec![head(&length), Act::Hold], TIMEOUT),
        Row::raw("half a body", vec![head(&length), Act::text(r#"{"access_"#), Act::Hold], TIMEOUT),
        Row::raw("a body without an end", vec![head(""), Act::text(token()), Act::Hold], TIMEOUT),
        Row::raw("hints and no answer", vec![Act::text(hints), Act::Hold], TIMEOUT),
    ];
    each(&world, rows).await;
}

/// What comes before a body that is too large.
fn too_large() -> Vec<(&'static str, Vec<Act>)> {
    let fill = Act::Fill { byte: b' ', count: 10 * MEGABYTE };
    let chunk = Act::text(format!("{:x}\r\n", 10 * MEGABYTE));
    vec![
        (
            "10 MB of a stated length",
            vec![head(&format!("content-length: {}\r\n", 10 * MEGABYTE)), fill.clone()],
        ),
        ("10 MB until the end", vec![head(""), fill.clone()]),
        ("10 MB in one chunk", vec![head("transfer-encoding: chunked\r\n"), chunk, fill]),
    ]
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_a_passing_failure() {
    let world = World::new().await;
    each(&world, too_large().into_iter().map(|(name, acts)| Row::raw(name, acts, UNREACHABLE)).collect())
        .await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read_to_its_end() {
    for (name, acts) in too_large() {
        let world = World::new().await;
        world.server.faults().next(Place::Token, 1, Fault::Raw { acts });
        let failure = world.grant().request().await.unwrap_err();
        assert!(failure.to_string().contains("longer than"), "{name}: {failure}");
        // The next one is the server's own, and comes behind all that the first one could still send.
        assert!(world.grant().request().await.is_ok(), "{name}");
        let sent = world.server.counts().raw_bytes_sent();
        assert!(sent < 8 * MEGABYTE, "{name}: {sent} bytes sent");
    }
}

#[tokio::test]
async fn a_body_that_is_packed_is_not_unpacked() {
    let world = World::new().await;
    let bomb = bomb();
    assert!(bomb.len() < 256 * 1024, "small enough to be read");
    let headers = [("content-encoding", "gzip"), ("content-type", "application/json")];
    each(&world, vec![Row::answer("30 MB of spaces in gzip", 200, &headers, bomb, BAD_RESPONSE)]).await;
}

/// 30 MB of spaces in gzip (RFC 1952): one block with fixed codes (RFC 1951 §3.2.6), a space, and "the last byte 258
/// times more" again and again.
fn bomb() -> Vec<u8> {
    let (mut bits, repeats) = (Vec::new(), 30 * MEGABYTE / 258);
    let mut put = |text: &str| bits.extend(text.bytes().map(|bit| bit == b'1'));
    put("110");
    put("01010000");
    (0..repeats).for_each(|_| put("1100010100000"));
    put("0000000");
    let packed = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | u8::from(*bit)));
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3].into_iter().chain(packed).chain([0; 8]).collect()
}
