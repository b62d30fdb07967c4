//! The ways in which a server behind may read a name or a URI: a rule that fits one of them fits the call.
//!
//! Rules only ever ask for more, so a spelling too many makes a call need more than it might, and one too few would let
//! it past its rule. Case, because some servers do not mind it; for URIs what RFC 3986 §6.2.2 and the URL standard call
//! the same: scheme and host in any case, dot segments, a missing authority, escapes of what needs none.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use smallvec::{SmallVec, smallvec};
use url::Url;

/// Escapes within escapes are followed so deep.
const DEPTH: usize = 4;

/// Of most names there is one.
pub(crate) type All<'a> = SmallVec<[Cow<'a, str>; 1]>;

/// All of them, in lower case. The first is the text itself.
pub(crate) fn of(text: &str) -> All<'_> {
    if text.bytes().all(is_plain) {
        return smallvec![Cow::Borrowed(text)];
    }
    if !may_be_read_otherwise(text) {
        return smallvec![Cow::Owned(text.to_ascii_lowercase())];
    }
    let mut all: All<'_> = smallvec![Cow::Owned(text.to_lowercase())];
    let mut current = text.to_owned();
    for _ in 0..DEPTH {
        let read = Url::parse(&current).map(String::from).unwrap_or_else(|_| current.clone());
        let decoded = percent_decode_str(&read).decode_utf8_lossy().into_owned();
        let is_new = decoded != current;
        for spelling in [read, decoded.clone()] {
            let spelling = Cow::Owned(spelling.to_lowercase());
            if !all.contains(&spelling) {
                all.push(spelling);
            }
        }
        if !is_new {
            break;
        }
        current = decoded;
    }
    all
}

/// False for most names, such as `getUser`: without a `:` it is no URI, and without a `%` nothing in it is escaped.
fn may_be_read_otherwise(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b':' | b'%') || !byte.is_ascii())
}

/// What most names are written with: in lower case already, and read in one way.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'/' | b'.')
}

#[cfg(test)]
mod tests;
