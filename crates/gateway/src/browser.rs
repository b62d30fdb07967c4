//! Keeps web pages out: `Origin` as the MCP transport demands, `Host` against DNS rebinding (SPEC RS-10).
//!
//! A page on another site can make a browser send requests to a server on this machine; the two headers
//! are what the browser says about it and what the page cannot forge.

use bearward_guard::fields;
use bearward_observe::Rejection;
use http::header::{HOST, HeaderName, ORIGIN};
use http::{HeaderMap, Uri};

/// Who may call a listener from a browser, and under which names the listener goes.
#[derive(Debug, Clone)]
pub struct BrowserRules {
    /// Origins that may call, as browsers write them: `scheme://host[:port]`.
    pub origins: Vec<String>,
    /// Names for this listener beside loopback, as `host[:port]`.
    pub hosts: Vec<String>,
    /// The listener is bound to loopback: only then must `Host` be one of its names, and only then are
    /// pages from this machine welcome.
    pub on_loopback: bool,
}

impl BrowserRules {
    /// Judges a request by its `Host` and `Origin`.
    ///
    /// # Errors
    /// [`Rejection::Host`] or [`Rejection::Origin`].
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Rejection> {
        self.check_host(uri, headers)?;
        match fields::only(headers, &ORIGIN) {
            Ok(None) => Ok(()),
            Ok(Some(origin)) if origin.to_str().is_ok_and(|origin| self.is_welcome(origin)) => Ok(()),
            _ => Err(Rejection::Origin),
        }
    }

    /// Judges a request by its `Host` alone, for endpoints that judge the origin themselves.
    ///
    /// # Errors
    /// [`Rejection::Host`].
    pub fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Rejection> {
        if self.on_loopback && !self.is_our_host(uri, headers) {
            return Err(Rejection::Host);
        }
        Ok(())
    }

    fn is_our_host(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        match named_host(uri, headers) {
            Some(host) => {
                is_loopback_host(host) || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
            }
            // HTTP/1.0 without a Host cannot come from a browser that rebinds; one that is no text names nothing of ours.
            None => !headers.contains_key(HOST),
        }
    }

    fn is_welcome(&self, origin: &str) -> bool {
        self.origins.iter().any(|welcome| welcome.eq_ignore_ascii_case(origin))
            || (self.on_loopback && origin.split_once("://").is_some_and(|(_, host)| is_loopback_host(host)))
    }
}

/// The host that a request names: HTTP/2 and absolute-form requests do so in their target (RFC 9112 §3.2.2).
pub fn named_host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST).and_then(|host| host.to_str().ok()),
    }
}

/// True for a request that only a browser makes. The sidecar takes none: it would lend its tokens to any
/// page the user happens to have open.
pub fn is_from_browser(headers: &HeaderMap) -> bool {
    let fetch = HeaderName::from_static("sec-fetch-site");
    headers.contains_key(ORIGIN) || headers.contains_key(fetch)
}

/// True for `localhost`, 127.0.0.0/8 and `[::1]`, with or without a port.
pub fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name == "127.0.0.1"
        || name.eq_ignore_ascii_case("localhost")
        || name == "[::1]"
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests;
