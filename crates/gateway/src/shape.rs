//! Shapes that no request may have, whoever sends it: what two servers in a row could read differently
//! (SPEC PX-8), and methods that would hand a secret back.

use bearward_guard::fields;
use http::header::HOST;
use http::request::Parts;
use http::{Method, StatusCode, Version};

/// What is wrong with a request's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misshapen {
    /// TRACE sends the request back as it arrived, our credential included (RFC 9110 §9.3.8); CONNECT asks
    /// for a tunnel.
    Method,
    /// No `Host` in HTTP/1.1, two of them, or one that another part of the request contradicts
    /// (RFC 9112 §3.2).
    Host,
    /// A path that is written in a way which a server behind may read as another path.
    Path,
}

impl Misshapen {
    /// The status to answer with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Host | Self::Path => StatusCode::BAD_REQUEST,
        }
    }

    /// What a 405 says is allowed instead (RFC 9110 §15.5.6): to what, nobody has looked yet.
    pub fn allow(self) -> Option<&'static str> {
        matches!(self, Self::Method).then_some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
    }

    /// What a person reads.
    pub fn message(self) -> &'static str {
        match self {
            Self::Method => "This method is not allowed here",
            Self::Host => "The request must name exactly one host",
            Self::Path => "The request path must be written plainly",
        }
    }
}

/// Judges a request's method and host.
///
/// # Errors
/// What is wrong.
pub fn check(head: &Parts) -> Result<(), Misshapen> {
    if head.method == Method::TRACE || head.method == Method::CONNECT {
        return Err(Misshapen::Method);
    }
    let Ok(host) = fields::only(&head.headers, &HOST) else { return Err(Misshapen::Host) };
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    let is_sound = match (host, authority) {
        (None, None) => head.version == Version::HTTP_10,
        (None, Some(_)) => head.version >= Version::HTTP_2,
        (Some(host), None) => host.to_str().is_ok(),
        // RFC 9113 §8.3.1, RFC 9112 §3.2.2: both name the same, or somebody is being misled.
        (Some(host), Some(authority)) => host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()),
    };
    if is_sound { Ok(()) } else { Err(Misshapen::Host) }
}

/// Judges a path that decides which guard a request meets: it must be in the one normal form of RFC 3986 §6.2.2,
/// without empty segments, path parameters, encoded slashes or backslashes.
///
/// # Errors
/// [`Misshapen::Path`].
pub fn check_path(path: &str) -> Result<(), Misshapen> {
    let bytes = path.as_bytes();
    let is_plain = bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'/' => bytes.get(at + 1) != Some(&b'/'),
        b';' | b'\\' => false,
        b'%' => path.get(at + 1..at + 3).is_some_and(must_be_encoded),
        _ => true,
    });
    if is_plain { Ok(()) } else { Err(Misshapen::Path) }
}

/// False for what need not be encoded (RFC 3986 §2.3), and for slashes and backslashes, which some servers decode
/// before they look at segments.
fn must_be_encoded(hex: &str) -> bool {
    let Ok(byte) = u8::from_str_radix(hex, 16) else { return false };
    let is_unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !is_unreserved && !matches!(byte, b'/' | b'\\' | b';' | b'%' | 0)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(method: &str, uri: &str, version: Version, hosts: &[&str]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn methods_that_hand_secrets_back_are_refused() {
        for (method, expected) in [
            ("GET", Ok(())),
            ("PROPFIND", Ok(())),
            ("TRACE", Err(Misshapen::Method)),
            ("CONNECT", Err(Misshapen::Method)),
        ] {
            assert_eq!(check(&head(method, "/", Version::HTTP_11, &["a"])), expected, "{method}");
        }
        assert_eq!(Misshapen::Method.status(), 405);
    }

    // SPEC PX-8
    #[test]
    fn a_request_names_exactly_one_host() {
        let (v10, v11, v2) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
        for (uri, version, hosts, is_sound) in [
            ("/", v11, &["a"][..], true),
            ("/", v11, &[], false),
            ("/", v10, &[], true),
            ("/", v11, &["a", "a"], false),
            ("http://a/", v11, &["a"], true),
            ("http://a/", v11, &["A"], true),
            ("http://a/", v11, &["b"], false),
            ("http://a/", v11, &[], false),
            ("http://a/", v2, &[], true),
            ("http://a/", v2, &["b"], false),
        ] {
            let outcome = check(&head("GET", uri, version, hosts));
            assert_eq!(outcome.is_ok(), is_sound, "{uri} {version:?} {hosts:?}");
        }
        let mut odd = head("GET", "/", v11, &[]);
        odd.headers.insert(HOST, http::HeaderValue::from_bytes(b"\xe9vil").unwrap());
        assert_eq!(check(&odd), Err(Misshapen::Host));
    }

    #[test]
    fn a_path_that_could_be_read_as_another_is_refused() {
        for good in
            ["", "/", "/mcp", "/mcp/", "/mcp/a%20b", "/mcp/%C3%A4", "/mcp/a+b:c@d!$&'()*,=", "/.well-known/x"]
        {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        for bad in [
            "//mcp",
            "/mcp//x",
            "/mcp/%61dmin",
            "/%2e",
            "/mcp/%2Fx",
            "/mcp/%5cx",
            "/mcp;x",
            "/mcp/%3bx",
            "/a\\b",
            "/%",
            "/%4",
            "/%zz",
            "/%252e",
            "/%00",
        ] {
            assert_eq!(check_path(bad), Err(Misshapen::Path), "{bad}");
        }
    }
}
