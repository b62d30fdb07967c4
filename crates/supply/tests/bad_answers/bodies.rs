//! Status 200 and a body that is no token response.

use bearward_supply::Grant;
use bearward_testbed::authorization_server::{Fault, Place};
use bearward_testbed::raw::Act;
use serde_json::json;

use crate::check::each;
use crate::hidden::PLANTED;
use crate::row::{BAD_RESPONSE, Expected, RATE_LIMITED, Row, UNAVAILABLE, refused};
use crate::world::World;

/// What stands behind a body's head when the rest of it is sound.
const REST: &str = r#","token_type":"Bearer","expires_in":3600}"#;

fn body(name: &str, body: impl Into<Vec<u8>>, expected: Expected) -> Row {
    Row::answer(name, 200, &[("content-type", "application/json")], body, expected)
}

fn bad(name: &str, text: impl Into<Vec<u8>>) -> Row {
    body(name, text, BAD_RESPONSE)
}

// HARD 7
#[tokio::test]
async fn a_body_that_is_no_json_object_is_a_passing_failure() {
    let world = World::new().await;
    let good = format!(r#"{{"access_token":"{PLANTED}"{REST}"#);
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let latin1 = [format!(r#"{{"access_token":"{PLANTED}"#).as_bytes(), b"\xe9\"", REST.as_bytes()].concat();
    // A gzip head and nothing that anybody would unpack; see also `endless`.
    let gzip = [b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice(), PLANTED.as_bytes()].concat();
    let nested = format!("{}{PLANTED}", r#"{"access_token":"#.repeat(10_000));
    let rows = vec![
        Row::new(
            "a page",
            Fault::Body { body: format!("<html><title>{PLANTED}</title>maintenance</html>") },
            BAD_RESPONSE,
        ),
        bad("nothing", ""),
        bad("whitespace", "\r\n  \t"),
        bad("truncated in the token", format!(r#"{{"access_token":"{PLANTED}"#)),
        bad("truncated at the last brace", &good[..good.len() - 1]),
        bad("something behind it", format!("{good}{good}")),
        bad("an array", format!("[{good}]")),
        bad("an array of a token's parts", format!(r#"["{PLANTED}","Bearer",3600]"#)),
        bad("a string", format!(r#""{PLANTED}""#)),
        bad("null", "null"),
        bad("a form, as the oldest servers answer", format!("access_token={PLANTED}&token_type=bearer")),
        bad("a byte order mark before JSON", format!("\u{feff}{good}")),
        bad("UTF-16", utf16),
        bad("Latin-1 in the token", latin1),
        bad("a control character in a string", good.replace("Planted", "\u{1}Planted")),
        Row::answer("gzip that nobody asked for", 200, &[("content-encoding", "gzip")], gzip, BAD_RESPONSE),
        bad("nested without an end", nested),
        bad("NaN as a number", good.replace("3600", "NaN")),
        bad("a number that no type can hold", good.replace("3600", "1e400")),
    ];
    each(&world, rows).await;
}

// HARD 7
#[tokio::test]
async fn an_object_without_a_sound_token_is_a_passing_failure() {
    let world = World::new().await;
    let token = |json: &str| format!(r#"{{"access_token":{json}{REST}"#);
    let kind = |json: &str| format!(r#"{{"access_token":"{PLANTED}","token_type":{json}}}"#);
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let rows = vec![
        bad("an empty object", "{}"),
        bad("no token", format!(r#"{{"id_token":"{PLANTED}"{REST}"#)),
        bad("a token that is a number", token("4711")),
        bad("a token that is null", token("null")),
        bad("a token that is an object", token(&format!(r#"{{"value":"{PLANTED}"}}"#))),
        bad("a token that is a list", token(&format!(r#"["{PLANTED}"]"#))),
        bad("an empty token", token(r#""""#)),
        bad("a token with a line end", token(&format!(r#""{PLANTED}\nx""#))),
        bad("a token that adds a header", token(&format!(r#""a\r\nx-evil: {PLANTED}""#))),
        bad("a token with a space", token(&format!(r#""{PLANTED} x""#))),
        bad("a token with a null character", token(&format!(r#""{PLANTED}\u0000""#))),
        bad("a token beyond ASCII", token(&format!(r#""{PLANTED}ä""#))),
        bad("a token of 16 KiB and one byte", token(&format!(r#""{}""#, "a".repeat(16 * 1024 + 1)))),
        bad("two tokens", format!(r#"{{"access_token":"a","access_token":"{PLANTED}"{REST}"#)),
        bad("two lifetimes", format!(r#"{{"access_token":"{PLANTED}","expires_in":1{REST}"#)),
        bad("a lifetime nested 5000 deep", token(r#""a""#).replace("3600", &deep)),
        bad("no token_type", format!(r#"{{"access_token":"{PLANTED}"}}"#)),
        bad("token_type DPoP", kind(r#""DPoP""#)),
        bad("token_type mac", kind(r#""mac""#)),
        bad("token_type N_A", kind(r#""N_A""#)),
        bad("an empty token_type", kind(r#""""#)),
        bad("token_type null", kind("null")),
        bad("a list of types", kind(r#"["Bearer"]"#)),
    ];
    each(&world, rows).await;
}

// HARD 7, HARD 16
#[tokio::test]
async fn a_200_with_an_oauth_error_is_that_error() {
    let world = World::new().await;
    let error = |code: &str| {
        json!({"error": code, "error_description": PLANTED, "error_uri": format!("https://as/{PLANTED}")})
            .to_string()
    };
    let rows = vec![
        body("invalid_client", error("invalid_client"), refused("invalid_client")),
        body("invalid_scope", error("invalid_scope"), refused("invalid_scope")),
        body("access_denied", error("access_denied"), refused("access_denied")),
        body("slow_down", error("slow_down"), RATE_LIMITED),
        body("temporarily_unavailable", error("temporarily_unavailable"), UNAVAILABLE),
        bad("a code of nobody's", error("internal")),
        bad("a code that is a sentence", error(PLANTED)),
        bad("an error that is an object", json!({"error": {"code": PLANTED}}).to_string()),
    ];
    each(&world, rows).await;
}

/// Odd, and a token all the same.
#[tokio::test]
async fn what_is_only_unusual_around_a_sound_token_does_no_harm() {
    let world = World::new().await;
    let good = r#"{"access_token":"sound","token_type":"Bearer","expires_in":3600}"#;
    let with = |headers: &[(&str, &str)], body: &str| Row::answer("", 200, headers, body, BAD_RESPONSE).fault;
    let typed = |value: &str| with(&[("content-type", value)], good);
    let raw = |text: String| Fault::Raw { acts: vec![Act::text(text)] };
    let faults = [
        typed("application/json; charset=utf-16"),
        typed("application/json; charset=nonsense"),
        typed("text/html"),
        typed(""),
        with(&[], good),
        with(&[], &good.replace("Bearer", "bEARER")),
        with(&[], &good.replace("sound", &"s".repeat(16 * 1024))),
        with(&[], &good.replace('}', r#","error":null,"scope":7,"more":[[{}]],"more":1}"#)),
        with(&[("retry-after", "60"), ("set-cookie", "a=b")], good),
        raw(format!("HTTP/1.1 200\r\nconnection: close\r\n\r\n{good}")),
        raw(format!("HTTP/1.0 200 OK\r\n\r\n{good}")),
        raw(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: rot13\r\nconnection: close\r\n\r\n{good}")),
        raw(format!(
            "{}HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{good}",
            "HTTP/1.1 103 Hint\r\n\r\n".repeat(50)
        )),
    ];
    for fault in faults {
        world.server.faults().next(Place::Token, 1, fault.clone());
        let granted = world.grant().request().await;
        let token = granted.as_ref().map(|granted| granted.access_token.expose().trim_matches('s'));
        assert!(matches!(token, Ok("ound" | "")), "{fault:?}: {granted:?}");
    }
}
