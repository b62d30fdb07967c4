use super::*;

fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    headers
}

fn cleaned(pairs: &[(&str, &str)]) -> Vec<String> {
    let mut headers = map(pairs);
    clean_request(&mut headers, &Reserved::new(["X-TB"]));
    headers.keys().map(ToString::to_string).collect()
}

// SPEC RS-8, HARD 27
#[test]
fn credentials_cookies_and_reserved_headers_never_cross_in_any_spelling() {
    for name in [
        "Authorization",
        "authorization",
        "Proxy-Authorization",
        "proxy_authorization",
        "Cookie",
        "Forwarded",
        "X-Forwarded-For",
        "x_forwarded_for",
        "X-Real-IP",
        "x_real_ip",
        "X-Bearward-Identity",
        "x_bearward_identity",
        "x.bearward.identity",
        "x-bearward~identity",
        "X-TB-Tenant-ID",
        "x_tb_tenant_id",
        "X-Tb_Signature",
        "content_length",
        "transfer_encoding",
        "keep_alive",
    ] {
        assert_eq!(cleaned(&[(name, "v"), (name, "w")]), Vec::<String>::new(), "{name}");
    }
}

// SPEC PX-8
#[test]
fn hop_by_hop_headers_stay_here_also_those_that_connection_names() {
    let kept = cleaned(&[
        ("Connection", "close, X-Private"),
        ("Connection", "x-other"),
        ("X-Private", "1"),
        ("X-Other", "1"),
        ("Transfer-Encoding", "chunked"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("Keep-Alive", "1"),
        ("Content-Length", "4"),
        ("Host", "a"),
        ("Accept", "*/*"),
    ]);
    assert_eq!(kept, ["accept"]);
}

// SPEC PX-4, PX-7
#[test]
fn unknown_and_mcp_headers_pass_untouched() {
    let names =
        ["mcp-param-x", "mcp-method", "mcp-name", "mcp-session-id", "last-event-id", "x-tbx", "x-anything"];
    let pairs: Vec<_> = names.iter().map(|name| (*name, "v")).collect();
    assert_eq!(cleaned(&pairs), names);
}

// SPEC PX-9
#[test]
fn a_challenge_from_behind_does_not_reach_the_caller() {
    let mut headers =
        map(&[("WWW-Authenticate", "Bearer"), ("X-Accel-Buffering", "no"), ("Connection", "close")]);
    clean_response(&mut headers);
    assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-accel-buffering"]);
}

// SPEC PX-7, HARD 27
#[test]
fn what_a_server_behind_could_read_as_another_header_is_removed() {
    let mut headers = map(&[("mcp_session_id", "1"), ("x_any", "1"), ("mcp-param-a_b", "1"), ("x-any", "1")]);
    clean_judged_request(&mut headers, &Reserved::default());
    let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["mcp-param-a_b", "x-any"]);
}

// HARD 27
#[test]
fn a_name_that_tells_of_callers_is_kept_from_them_in_any_spelling() {
    let names = [HeaderName::from_static("x-user-id")];
    let reserved = Reserved::new([]).and(&names);
    for name in ["X-User-Id", "x-user-id", "X_USER_ID", "x_user-id", "x.user.id", "x-user_id"] {
        let mut headers = map(&[(name, "root"), (name, "again"), ("x-user-id-hint", "stays")]);
        clean_request(&mut headers, &reserved);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-user-id-hint"], "{name}");
    }
}

#[test]
fn a_header_with_a_meaning_of_its_own_cannot_carry_a_claim() {
    for name in [
        "authorization",
        "cookie",
        "host",
        "mcp-session-id",
        "x-bearward-user",
        "x-forwarded-user",
        "content-type",
        "origin",
        "connection",
        "accept",
        "x-real-ip",
        "last-event-id",
        "content_length",
    ] {
        assert!(is_taken(&HeaderName::from_static(name)), "{name}");
    }
    for name in ["x-user-id", "x-roles", "remote-user", "tenant"] {
        assert!(!is_taken(&HeaderName::from_static(name)), "{name}");
    }
}

fn head_of(uri: &str, pairs: &[(&str, &str)]) -> Parts {
    let (mut head, ()) = http::Request::builder().uri(uri).body(()).unwrap().into_parts();
    head.headers = map(pairs);
    head
}

// SPEC RS-8: the credential leaves the request, and is at hand for streams that outlive a verdict.
#[test]
fn what_is_taken_out_of_a_head_is_clean_and_beside_it_are_the_callers_credential_and_host() {
    let pairs = [
        ("authorization", "Bearer alices"),
        ("host", "mcp.example.com"),
        ("cookie", "c=1"),
        ("x_tenant", "b"),
        ("x-http-method-override", "DELETE"),
        ("accept", "*/*"),
    ];
    let mut head = head_of("/mcp", &pairs);
    let Taken { headers, authorization, host } = take_judged(&mut head, &Reserved::default(), false);
    assert_eq!(headers, map(&[("accept", "*/*")]));
    assert_eq!(authorization.unwrap(), "Bearer alices");
    assert_eq!(host.unwrap(), "mcp.example.com");
    assert!(head.headers.is_empty());
}

#[test]
fn a_server_behind_that_verifies_by_itself_gets_the_callers_credential_and_no_other_private_header() {
    let pairs = [("authorization", "Bearer alices"), ("cookie", "c=1"), ("host", "mcp.example.com")];
    let Taken { headers, authorization, .. } =
        take_judged(&mut head_of("/mcp", &pairs), &Reserved::default(), true);
    assert_eq!(headers, map(&[("authorization", "Bearer alices")]));
    assert_eq!(authorization.unwrap(), "Bearer alices");
    let nothing = take_judged(&mut head_of("/mcp", &[]), &Reserved::default(), true);
    assert!(nothing.headers.is_empty() && nothing.authorization.is_none() && nothing.host.is_none());
}

// RFC 9110 §7.2, RFC 9113 §8.3.1
#[test]
fn the_host_of_the_target_counts_before_the_header() {
    let mut head = head_of("https://target.example.com/mcp", &[("host", "header.example.com")]);
    let taken = take_judged(&mut head, &Reserved::default(), false);
    assert_eq!(taken.host.unwrap(), "target.example.com");
    assert!(taken.headers.is_empty());
}
