use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    map
}

fn agrees(pairs: &[(&str, &str)], method: &str, name: Option<&str>) -> bool {
    let call = Call { method: Some(method.into()), name: name.map(Into::into) };
    check(&headers(pairs), &[call]).is_ok()
}

const NEW: (&str, &str) = ("mcp-protocol-version", "2026-07-28");

// SPEC PX-2
#[test]
fn what_agrees_passes_also_encoded() {
    assert!(agrees(&[NEW, ("mcp-method", "tools/call"), ("mcp-name", "add")], "tools/call", Some("add")));
    assert!(agrees(&[NEW, ("mcp-method", "tools/list")], "tools/list", None));
    let encoded = format!("=?base64?{}?=", STANDARD.encode("café"));
    assert!(agrees(
        &[NEW, ("mcp-method", "prompts/get"), ("mcp-name", &encoded)],
        "prompts/get",
        Some("café")
    ));
    let plain = [NEW, ("mcp-method", "completion/complete")];
    assert!(agrees(&plain, "completion/complete", Some("p")), "this one need not be named");
}

// SPEC PX-2
#[test]
fn what_is_missing_or_says_otherwise_is_a_disagreement() {
    let wrong = format!("=?base64?{}?=", STANDARD.encode("sub"));
    for pairs in [
        &[NEW][..],
        &[NEW, ("mcp-method", "tools/call")],
        &[NEW, ("mcp-name", "add")],
        &[NEW, ("mcp-method", "tools/list"), ("mcp-name", "add")],
        &[NEW, ("mcp-method", "Tools/call"), ("mcp-name", "add")],
        &[NEW, ("mcp-method", "tools/call"), ("mcp-name", "Add")],
        &[NEW, ("mcp-method", "tools/call"), ("mcp-name", &wrong)],
        &[NEW, ("mcp-method", "tools/call"), ("mcp-name", "=?base64?!?=")],
        &[NEW, ("mcp-method", "tools/call"), ("mcp-method", "tools/call"), ("mcp-name", "add")],
        &[NEW, ("mcp-method", "tools/call"), ("mcp-name", "add"), ("mcp-name", "sub")],
        &[NEW, NEW, ("mcp-method", "tools/call"), ("mcp-name", "add")],
    ] {
        assert!(!agrees(pairs, "tools/call", Some("add")), "{pairs:?}");
    }
    assert!(!agrees(&[NEW, ("mcp-method", "ping"), ("mcp-name", "x")], "completion/complete", Some("y")));
    let batch =
        [Call { method: Some("ping".into()), name: None }, Call { method: Some("ping".into()), name: None }];
    assert!(check(&headers(&[NEW, ("mcp-method", "ping")]), &batch).is_err(), "no batches any more");
}

// SPEC PX-3
#[test]
fn older_revisions_are_not_held_to_headers_that_they_do_not_know() {
    for version in
        [&[][..], &[("mcp-protocol-version", "2025-11-25")], &[("mcp-protocol-version", "2025-03-26")]]
    {
        let pairs = [version, &[("mcp-method", "tools/list")]].concat();
        assert!(agrees(&pairs, "tools/call", Some("add")), "{pairs:?}");
    }
}
