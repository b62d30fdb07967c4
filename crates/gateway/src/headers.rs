//! Which headers cross, and which never do.
//!
//! Towards an upstream: the caller's credential, its cookies, hop-by-hop headers and everything that only
//! Bearward may say are removed, in any spelling (SPEC PX-8, RS-8, HARD 27). What is not known passes
//! untouched, `Mcp-Param-*` included (SPEC PX-4).

use std::net::IpAddr;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue};

/// Hop-by-hop whatever `Connection` says (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Credentials and words about the caller that must not cross.
const PRIVATE: [HeaderName; 4] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, FORWARDED];

/// Prefixes that only Bearward may set, in their one canonical spelling.
const OWN_PREFIXES: [&str; 2] = ["x-bearward-", "x-forwarded-"];

/// Headers that this process sets and no caller may.
#[derive(Debug, Clone, Default)]
pub struct Reserved {
    prefixes: Vec<String>,
    names: Vec<String>,
}

impl Reserved {
    /// Reserves these prefixes beside Bearward's own, such as the one of a provider's tenant headers.
    pub fn new<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Self {
        let own = OWN_PREFIXES.iter().map(|prefix| (*prefix).to_owned());
        let prefixes = own.chain(prefixes.into_iter().map(|p| canonical(p) + "-")).collect();
        Self { prefixes, names: vec!["x-real-ip".into()] }
    }

    /// Reserves single names as well, such as those that tell an upstream who calls.
    #[must_use]
    pub fn and<'a>(mut self, names: impl IntoIterator<Item = &'a HeaderName>) -> Self {
        self.names.extend(names.into_iter().map(|name| canonical(name.as_str())));
        self
    }

    /// Whether a header is one of these, however it is spelt.
    pub fn holds(&self, name: &HeaderName) -> bool {
        let name = canonical(name.as_str());
        self.names.contains(&name) || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}

/// Whether a header has a meaning of its own on the way to an upstream, so that it cannot carry a claim.
pub fn is_taken(name: &HeaderName) -> bool {
    const PREFIXES: [&str; 4] = ["mcp-", "content-", "accept", "sec-"];
    const NAMES: [&str; 6] = ["origin", "last-event-id", "user-agent", "expect", "via", "cache-control"];
    let plain = canonical(name.as_str());
    let is_protocol = NAMES.contains(&plain.as_str()) || PREFIXES.iter().any(|p| plain.starts_with(p));
    is_protocol || never_crosses(name) || Reserved::new([]).holds(name)
}

/// Lower case, and whatever is neither letter nor digit as `-`: servers that make variables of headers (RFC 3875 §4.1.18)
/// read `_`, and some `.` and its like, as the same header.
fn canonical(name: &str) -> String {
    name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

/// Makes a caller's headers fit to leave: removes what must not cross, `Host` and the length included,
/// which belong to the new message.
pub fn clean_request(headers: &mut HeaderMap, reserved: &Reserved) {
    remove_hop_by_hop(headers);
    remove(headers, |name| never_crosses(name) || reserved.holds(name));
}

/// Headers by which some servers let a request have another method than it was judged by.
const OTHER_METHODS: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Removes headers by which a request could be taken for another one, and headers with `_` in their names, but for `Mcp-Param-*`: many servers read `_` as `-`, so that
/// `mcp_session_id` would be a session that nobody has judged (SPEC PX-7, HARD 27).
pub fn remove_ambiguous(headers: &mut HeaderMap) {
    remove(headers, |name| name.as_str().contains('_') && !name.as_str().starts_with("mcp-param-"));
    remove(headers, |name| OTHER_METHODS.contains(&canonical(name.as_str()).as_str()));
}

/// Makes an upstream's headers fit for the caller. A challenge from behind speaks about *our* credential
/// and would mislead the caller (SPEC PX-9).
pub fn clean_response(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    headers.remove(WWW_AUTHENTICATE);
}

/// The same for an upstream that speaks to the caller itself: only what belongs to the hop goes.
pub fn clean_hop(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

/// Says on whose behalf a request comes.
pub fn set_forwarded(
    headers: &mut HeaderMap,
    peer: Option<IpAddr>,
    host: Option<&HeaderValue>,
    proto: &'static str,
) {
    if let Some(value) = peer.and_then(|ip| HeaderValue::try_from(ip.to_string()).ok()) {
        headers.insert(HeaderName::from_static("x-forwarded-for"), value);
    }
    if let Some(host) = host {
        headers.insert(HeaderName::from_static("x-forwarded-host"), host.clone());
    }
    headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static(proto));
}

/// What belongs to one hop or one party, in every spelling that a lenient server might read as the real one.
fn never_crosses(name: &HeaderName) -> bool {
    let name = canonical(name.as_str());
    let is = |known: &HeaderName| known.as_str() == name;
    PRIVATE.iter().any(is) || HOP_BY_HOP.iter().any(is) || is(&HOST) || is(&CONTENT_LENGTH)
}

fn remove(headers: &mut HeaderMap, is_doomed: impl Fn(&HeaderName) -> bool) {
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| is_doomed(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
