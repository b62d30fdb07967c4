use super::*;

// SPEC RS-1
#[test]
fn a_place_is_kept_byte_for_byte() {
    for text in ["https://a.example", "https://a.example/", "https://A.example:443/x/"] {
        assert_eq!(text.parse::<Issuer>().unwrap().as_str(), text);
        assert_eq!(text.parse::<Resource>().unwrap().as_str(), text);
        assert_eq!(text.parse::<Endpoint>().unwrap().as_str(), text);
    }
    assert_ne!("https://a.example".parse::<Issuer>(), "https://a.example/".parse::<Issuer>());
}

#[test]
fn a_resource_splits_into_origin_and_path_as_written() {
    let cases = [
        ("https://a.example", "https://a.example", ""),
        ("https://a.example/", "https://a.example", "/"),
        ("http://127.0.0.1:80/mcp/v1", "http://127.0.0.1:80", "/mcp/v1"),
    ];
    for (text, origin, path) in cases {
        let resource: Resource = text.parse().unwrap();
        assert_eq!((resource.origin(), resource.path()), (origin, path));
    }
}

#[test]
fn plain_http_is_for_loopback_alone() {
    for text in ["http://localhost:1/t", "http://127.0.0.9/t", "http://[::1]:8/t"] {
        assert!(text.parse::<Endpoint>().is_ok(), "{text}");
    }
    for text in [
        "http://a.example/t",
        "http://a.localhost/t",
        "http://10.0.0.1/t",
        "http://localhost.a.example/t",
        "http://127.0.0.1.a.example/",
    ] {
        assert!(matches!(text.parse::<Endpoint>(), Err(PlaceError::PlainHttp { .. })), "{text}");
        assert!(matches!(text.parse::<Issuer>(), Err(PlaceError::PlainHttp { .. })), "{text}");
    }
}

#[test]
fn what_a_url_parser_would_forgive_is_refused() {
    for text in
        ["", "a.example", "ftp://a", "https:/a", "https://a b", "https://a\\b", " https://a", "https://a\n"]
    {
        assert!(matches!(text.parse::<Issuer>(), Err(PlaceError::NotAUrl { .. })), "{text:?}");
    }
    assert!(matches!("https://a?x".parse::<Issuer>(), Err(PlaceError::Unexpected { part: "query", .. })));
    assert!(matches!(
        "https://a#x".parse::<Resource>(),
        Err(PlaceError::Unexpected { part: "fragment", .. })
    ));
}

// HARD 20
#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    let error = "https://me:hunter2@a.example/".parse::<Endpoint>().unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}
