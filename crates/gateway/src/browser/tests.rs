use super::*;

fn rules(on_loopback: bool) -> BrowserRules {
    BrowserRules {
        origins: vec!["https://app.example.com".into()],
        hosts: vec!["mcp.example.com".into()],
        on_loopback,
    }
}

fn judge(rules: &BrowserRules, host: Option<&str>, origin: Option<&str>) -> Result<(), Rejection> {
    let mut headers = HeaderMap::new();
    if let Some(host) = host {
        headers.insert(HOST, host.parse().unwrap());
    }
    if let Some(origin) = origin {
        headers.insert(ORIGIN, origin.parse().unwrap());
    }
    rules.check(&"/mcp".parse().unwrap(), &headers)
}

// SPEC RS-10
#[test]
fn an_origin_that_is_not_allowed_is_refused() {
    let public = rules(false);
    assert_eq!(judge(&public, Some("any"), None), Ok(()));
    assert_eq!(judge(&public, Some("any"), Some("https://app.example.com")), Ok(()));
    for origin in [
        "https://evil.example",
        "null",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "http://localhost:3000",
        "",
    ] {
        assert_eq!(judge(&public, Some("any"), Some(origin)), Err(Rejection::Origin), "{origin}");
    }
}

// SPEC RS-10
#[test]
fn a_loopback_listener_answers_to_its_own_names_alone() {
    let local = rules(true);
    for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "mcp.example.com"] {
        assert_eq!(judge(&local, Some(host), None), Ok(()), "{host}");
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "mcp.example.com.evil.example",
    ] {
        assert_eq!(judge(&local, Some(host), None), Err(Rejection::Host), "{host}");
    }
    assert_eq!(judge(&local, Some("localhost"), Some("http://localhost:5173")), Ok(()));
    assert_eq!(judge(&local, Some("localhost"), Some("http://evil.example")), Err(Rejection::Origin));
}

#[test]
fn two_origins_are_refused_even_when_each_is_allowed() {
    let mut headers = HeaderMap::new();
    headers.append(ORIGIN, "https://app.example.com".parse().unwrap());
    headers.append(ORIGIN, "https://app.example.com".parse().unwrap());
    assert_eq!(rules(false).check(&"/".parse().unwrap(), &headers), Err(Rejection::Origin));
}
