//! Which headers cross, and which never do.
//!
//! Towards an upstream: the caller's credential, its cookies, hop-by-hop headers and everything that only
//! Bearward may say are removed, in any spelling (SPEC PX-8, RS-8, HARD 27). What is not known passes
//! untouched, `Mcp-Param-*` included (SPEC PX-4).

use std::net::IpAddr;

use bytes::BytesMut;
use http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderName, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use smallvec::SmallVec;

/// Hop-by-hop whatever `Connection` says (RFC 9110 §7.6.1).
const HOP_BY_HOP: Names = Names::new(&[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
]);

/// Credentials and words about the caller that must not cross.
const PRIVATE: Names = Names::new(&["authorization", "proxy-authorization", "cookie", "forwarded"]);

/// What belongs to one message and is said anew of the next.
const OF_THE_MESSAGE: Names = Names::new(&["host", "content-length"]);

/// Prefixes that only Bearward may set, in their one canonical spelling.
const OWN_PREFIXES: [&str; 2] = ["x-bearward-", "x-forwarded-"];

/// Names in their canonical spelling, asked about for each header of each message: most are of another length than all of
/// these, which one bit tells.
struct Names {
    names: &'static [&'static str],
    lengths: u32,
}

impl Names {
    const fn new(names: &'static [&'static str]) -> Self {
        let (mut lengths, mut rest) = (0, names);
        while let [name, more @ ..] = rest {
            lengths |= 1 << name.len();
            rest = more;
        }
        Self { names, lengths }
    }

    /// However it is spelt.
    fn hold(&self, name: &str) -> bool {
        let has_length = name.len() < 32 && self.lengths & (1 << name.len()) != 0;
        has_length && self.names.iter().any(|known| is(name, known))
    }
}

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
        let name = name.as_str();
        self.names.iter().any(|known| is(name, known))
            || self.prefixes.iter().any(|prefix| begins(name, prefix))
    }
}

/// Whether a header has a meaning of its own on the way to an upstream, so that it cannot carry a claim.
pub fn is_taken(name: &HeaderName) -> bool {
    const PREFIXES: [&str; 4] = ["mcp-", "content-", "accept", "sec-"];
    const NAMES: [&str; 6] = ["origin", "last-event-id", "user-agent", "expect", "via", "cache-control"];
    let text = name.as_str();
    let is_protocol = NAMES.iter().any(|known| is(text, known)) || PREFIXES.iter().any(|p| begins(text, p));
    is_protocol || never_crosses(text) || Reserved::new([]).holds(name)
}

/// Lower case, and whatever is neither letter nor digit as `-`: servers that make variables of headers (RFC 3875 §4.1.18)
/// read `_`, and some `.` and its like, as the same header.
fn canonical(name: &str) -> String {
    name.bytes().map(|byte| char::from(canonical_byte(byte))).collect()
}

/// A header's name is ASCII.
fn canonical_byte(byte: u8) -> u8 {
    match byte.to_ascii_lowercase() {
        plain @ (b'a'..=b'z' | b'0'..=b'9') => plain,
        _ => b'-',
    }
}

/// Whether a name is `known`, however it is spelt; `known` is in its canonical spelling. Every header of every request
/// is asked about, so nothing is copied for it.
fn is(name: &str, known: &str) -> bool {
    name.len() == known.len() && begins(name, known)
}

fn begins(name: &str, known: &str) -> bool {
    name.len() >= known.len()
        && name.bytes().zip(known.bytes()).all(|(byte, known)| canonical_byte(byte) == known)
}

/// Makes a caller's headers fit to leave: removes what must not cross, `Host` and the length included,
/// which belong to the new message.
pub fn clean_request(headers: &mut HeaderMap, reserved: &Reserved) {
    remove_named_in_connection(headers);
    remove(headers, |name| never_crosses(name.as_str()) || reserved.holds(name));
}

/// The same for a request that was judged by its headers: also without what could be taken for another one.
fn clean_judged_request(headers: &mut HeaderMap, reserved: &Reserved) {
    remove_named_in_connection(headers);
    remove(headers, |name| {
        let text = name.as_str();
        never_crosses(text) || reserved.holds(name) || is_ambiguous(text)
    });
}

/// Headers by which some servers let a request have another method than it was judged by.
const OTHER_METHODS: Names = Names::new(&["x-http-method-override", "x-http-method", "x-method-override"]);

/// Headers by which a request could be taken for another one, and those with `_` in their names, but for `Mcp-Param-*`: many
/// servers read `_` as `-`, so that `mcp_session_id` would be a session that nobody has judged (SPEC PX-7, HARD 27).
fn is_ambiguous(name: &str) -> bool {
    (name.as_bytes().contains(&b'_') && !name.starts_with("mcp-param-")) || OTHER_METHODS.hold(name)
}

/// What is taken out of the head of a request that was judged.
pub(crate) struct Taken {
    /// What goes on, but for what is said of the caller.
    pub(crate) headers: HeaderMap,
    /// The caller's own credential.
    pub(crate) authorization: Option<HeaderValue>,
    /// The host that the caller asked for.
    pub(crate) host: Option<HeaderValue>,
}

/// Takes what goes on out of a head, whose headers are gone then: nothing is copied that every request has.
/// `is_see_through`: the server behind verifies callers by itself, so their credential goes on.
pub(crate) fn take_judged(head: &mut Parts, reserved: &Reserved, is_see_through: bool) -> Taken {
    let mut headers = std::mem::take(&mut head.headers);
    let authorization = headers.remove(AUTHORIZATION);
    let named = headers.remove(HOST);
    let host = match head.uri.authority() {
        Some(authority) => HeaderValue::try_from(authority.as_str()).ok(),
        None => named,
    };
    clean_judged_request(&mut headers, reserved);
    if let Some(credential) = authorization.as_ref().filter(|_| is_see_through) {
        headers.insert(AUTHORIZATION, credential.clone());
    }
    Taken { headers, authorization, host }
}

/// Makes an upstream's headers fit for the caller. A challenge from behind speaks about *our* credential
/// and would mislead the caller (SPEC PX-9).
pub fn clean_response(headers: &mut HeaderMap) {
    remove_named_in_connection(headers);
    remove(headers, |name| HOP_BY_HOP.hold(name.as_str()) || name == WWW_AUTHENTICATE);
}

/// The same for an upstream that speaks to the caller itself: only what belongs to the hop goes.
pub fn clean_hop(headers: &mut HeaderMap) {
    remove_named_in_connection(headers);
    remove(headers, |name| HOP_BY_HOP.hold(name.as_str()));
}

/// Says on whose behalf a request comes.
pub fn set_forwarded(
    headers: &mut HeaderMap,
    peer: Option<IpAddr>,
    host: Option<HeaderValue>,
    proto: &'static str,
) {
    const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    const ASKED: HeaderName = HeaderName::from_static("x-forwarded-host");
    const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    if let Some(value) = peer.and_then(text_of) {
        headers.insert(FOR, value);
    }
    if let Some(host) = host {
        headers.insert(ASKED, host);
    }
    headers.insert(PROTO, HeaderValue::from_static(proto));
}

/// An address as a header; IPv4 without the formatter's machinery, for every request has one.
fn text_of(address: IpAddr) -> Option<HeaderValue> {
    let IpAddr::V4(address) = address else { return HeaderValue::try_from(address.to_string()).ok() };
    let mut text = BytesMut::with_capacity("255.255.255.255".len());
    for octet in address.octets() {
        if !text.is_empty() {
            text.extend_from_slice(b".");
        }
        text.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
    }
    HeaderValue::from_maybe_shared(text.freeze()).ok()
}

/// What belongs to one hop or one party, in every spelling that a lenient server might read as the real one.
fn never_crosses(name: &str) -> bool {
    PRIVATE.hold(name) || HOP_BY_HOP.hold(name) || OF_THE_MESSAGE.hold(name)
}

fn remove(headers: &mut HeaderMap, is_doomed: impl Fn(&HeaderName) -> bool) {
    // Few of most messages: without memory of its own then.
    let doomed: SmallVec<[HeaderName; 4]> = headers.keys().filter(|name| is_doomed(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// What `Connection` names is for this hop (RFC 9110 §7.6.1).
fn remove_named_in_connection(headers: &mut HeaderMap) {
    for name in &named_in_connection(headers) {
        headers.remove(name);
    }
}

fn named_in_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    // What nearly all of them say names no other header.
    let names_none = |value: &HeaderValue| {
        value.as_bytes().eq_ignore_ascii_case(b"keep-alive")
            || value.as_bytes().eq_ignore_ascii_case(b"close")
    };
    let lists = headers.get_all(CONNECTION).iter();
    lists
        .filter(|value| !names_none(value))
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests;
