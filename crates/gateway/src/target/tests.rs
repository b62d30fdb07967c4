use super::*;

fn joined(base: &str, rest: &str, query: Option<&str>) -> Result<String, TargetError> {
    Target::new(base).and_then(|target| target.join(rest, query)).map(|uri| uri.to_string())
}

#[test]
fn what_follows_is_put_behind_the_base_and_nothing_is_normalized() {
    let cases = [
        ("http://a:3000/mcp", "", None, "http://a:3000/mcp"),
        ("http://a/mcp/", "/x", Some("q=1&r"), "http://a/mcp/x?q=1&r"),
        ("http://a/mcp/", "", None, "http://a/mcp/"),
        ("http://a", "", None, "http://a/"),
        ("https://a/v1", "/notes//2/%41", None, "https://a/v1/notes//2/%41"),
    ];
    for (base, rest, query, expected) in cases {
        assert_eq!(joined(base, rest, query).unwrap(), expected);
    }
}

#[test]
fn a_path_that_could_leave_the_base_is_refused_in_every_disguise() {
    for rest in [
        "/../admin",
        "/..",
        "/x/./y",
        "/%2e%2E/admin",
        "/.%2e",
        "/..;x/admin",
        "/..%2fadmin",
        "/..\\admin",
        "/%5c..",
    ] {
        assert_eq!(joined("https://a/v1", rest, None), Err(TargetError::Traversal), "{rest}");
    }
    for rest in ["/..x/a..b/.well-known", "/projects/group%2Fname", "/a;..", "/..."] {
        assert!(joined("https://a/v1", rest, None).is_ok(), "{rest}");
    }
}

#[test]
fn what_is_no_base_is_refused() {
    for base in ["", "a", "/x", "ftp://a", "https://a/?q"] {
        assert!(matches!(Target::new(base), Err(TargetError::NotABase(_))), "{base}");
    }
}
