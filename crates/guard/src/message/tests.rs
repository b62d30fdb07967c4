use super::*;

fn call(method: &str, name: Option<&str>) -> Call {
    Call { method: Some(method.into()), name: name.map(Into::into) }
}

fn one(body: &str) -> Call {
    read(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}")).remove(0)
}

#[test]
fn each_method_is_read_with_what_it_is_applied_to() {
    for (body, expected) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, call("tools/list", None)),
        (
            r#"{"method":"tools/call","params":{"name":"delete_all","arguments":{"name":"x"}}}"#,
            call("tools/call", Some("delete_all")),
        ),
        (r#"{"params":{"name":"p"},"method":"prompts/get"}"#, call("prompts/get", Some("p"))),
        (
            r#"{"method":"resources/read","params":{"uri":"file:///a","name":"b"}}"#,
            call("resources/read", Some("file:///a")),
        ),
        (
            r#"{"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"}}}"#,
            call("completion/complete", Some("p")),
        ),
        (
            r#"{"method":"completion/complete","params":{"ref":{"uri":"u"}}}"#,
            call("completion/complete", Some("u")),
        ),
        (r#"{"method":"ping","params":null}"#, call("ping", None)),
        (r#"{"method":"ping","params":[1,2]}"#, call("ping", None)),
        (r#"{"method":"tools/call","params":{"name":"caf\u00e9"}}"#, call("tools/call", Some("café"))),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Call { method: None, name: None }),
    ] {
        assert_eq!(one(body), expected, "{body}");
    }
}

// SPEC PX-3
#[test]
fn every_call_of_a_batch_is_read() {
    let batch = r#"[{"method":"ping"},{"method":"tools/call","params":{"name":"a"}},{"id":1,"result":{}}]"#;
    let calls = read(batch.as_bytes()).unwrap();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[1], call("tools/call", Some("a")));
    let many = format!("[{}]", vec![r#"{"method":"ping"}"#; MAX_BATCH + 1].join(","));
    assert_eq!(read(many.as_bytes()), Err(MessageError::Ambiguous));
}

// SPEC PX-3
#[test]
fn a_body_that_two_parsers_could_read_differently_is_refused() {
    for body in [
        r#"{"method":"tools/list","method":"tools/call"}"#,
        r#"{"method":"tools/list","\u006dethod":"tools/call"}"#,
        r#"{"method":"tools/list","Method":"tools/call"}"#,
        r#"{"method":"ping","METHOD":"tools/call","params":{"name":"x"}}"#,
        r#"{"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}"#,
        r#"{"method":"tools/call","params":{"name":"a"},"Params":{"name":"b"}}"#,
        // Long s, which some parsers fold into an s.
        "{\"method\":\"tools/call\",\"params\":{\"name\":\"a\"},\"param\u{17f}\":{\"name\":\"b\"}}",
        r#"{"method":"tools/call","params":{"name":"a","name":"b"}}"#,
        r#"{"method":"tools/call","params":{"name":"a","Name":"b"}}"#,
        r#"{"method":"tools/call","params":{"name":7}}"#,
        r#"{"method":"tools/call","params":{"name":null}}"#,
        r#"{"method":"tools/call","params":{"name":["a"]}}"#,
        r#"{"method":"tools/call","params":{}}"#,
        r#"{"method":"tools/call","params":["a"]}"#,
        r#"{"method":"tools/call"}"#,
        r#"{"method":"resources/read","params":{"name":"a"}}"#,
        r#"{"method":"completion/complete","params":{}}"#,
        r#"{"method":7}"#,
        r#"{"method":null}"#,
        r#"{"method":["tools/call"]}"#,
        r#"{"method":"ping","params":"x"}"#,
        "[]",
        "[[]]",
        "[1]",
        "7",
        "\"tools/call\"",
        "null",
    ] {
        assert_eq!(read(body.as_bytes()), Err(MessageError::Ambiguous), "{body}");
    }
    for body in ["", "{", "<xml>", "{}{}", "{\"method\":\"a\"} x", "\u{feff}{}"] {
        assert_eq!(read(body.as_bytes()), Err(MessageError::NotJsonRpc), "{body}");
    }
}

// SPEC PX-3
#[test]
fn what_a_lenient_server_would_strip_or_cut_is_refused() {
    for body in [
        r#"{"method":"tools/call ","params":{"name":"a"}}"#,
        r#"{"method":"\ttools/call","params":{"name":"a"}}"#,
        r#"{"method":"tools/call","params":{"name":" a"}}"#,
        r#"{"method":"tools/call","params":{"name":"a\u0000b"}}"#,
        r#"{"method":"tools/call","params":{"name":"a\u00a0"}}"#,
        r#"{"method":"resources/read","params":{"uri":" file:///a"}}"#,
        r#"{"method":"resources/read","params":{"uri":"file:///a\nb"}}"#,
        r#"{"method":"tools/call","params":{"name":"a","name\u0000":"b"}}"#,
        r#"{"method":"tools/call","params":{"name":"a"},"params ":{"name":"b"}}"#,
    ] {
        assert_eq!(read(body.as_bytes()), Err(MessageError::Ambiguous), "{body}");
    }
}
