//! Where a bearer token may stand in a request, and where not (RFC 6750 §2, SPEC RS-4).
//!
//! The `Authorization` header is the one place. Cookies are never looked at; a token in the query never
//! counts, and together with one in the header the request is refused, because what is in the query would
//! travel on to the upstream.

use bearward_observe::Rejection;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::fields::{self, Several};

/// Longest token that is looked at, in bytes (SPEC JW-5).
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What a request presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// A token, not yet verified.
    Token(Unverified<'a>),
    /// None where one may stand. Carries the word for the event.
    Nothing(Rejection),
}

/// A token's text before verification. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Unverified<'a>(&'a str);

impl<'a> Unverified<'a> {
    /// Wraps a text that came in as a token.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// Whether it is written as RFC 6750 §2.1 says. One that is remembered is, for it was once verified.
    pub fn is_well_formed(&self) -> bool {
        is_b64token(self.0)
    }
}

impl std::fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unverified(redacted)")
    }
}

/// Finds the one token of a request.
///
/// # Errors
/// The reason when the request is malformed: two `Authorization` headers, a bearer scheme without a token, or a
/// second token in the query.
pub fn presented<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Result<Presented<'a>, Rejection> {
    let in_query = query.is_some_and(has_access_token);
    let Some(value) = fields::only(headers, &AUTHORIZATION).map_err(|Several| Rejection::SeveralTokens)?
    else {
        return Ok(Presented::Nothing(if in_query { Rejection::TokenInQuery } else { Rejection::NoToken }));
    };
    match in_header(value)? {
        // Another scheme is not a malformed bearer token: the caller is told which scheme is wanted.
        None => Ok(Presented::Nothing(Rejection::NoToken)),
        Some(_) if in_query => Err(Rejection::TokenInQuery),
        Some(token) => Ok(Presented::Token(token)),
    }
}

/// The token in an `Authorization` header; `None` where it has another scheme.
///
/// # Errors
/// When it is no text, or a bearer scheme without a token.
pub fn in_header(value: &HeaderValue) -> Result<Option<Unverified<'_>>, Rejection> {
    let bytes = value.as_bytes();
    let (scheme, rest) = bytes.split_at(bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len()));
    // Of another scheme nothing is looked at.
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return if value.to_str().is_ok() { Ok(None) } else { Err(Rejection::Malformed) };
    }
    // What is no text is no token; which texts are, is asked where one is not remembered.
    let rest = std::str::from_utf8(rest).map_err(|_| Rejection::Malformed)?;
    let token = rest.trim_start_matches(' ');
    if token.is_empty() { Err(Rejection::Malformed) } else { Ok(Some(Unverified(token))) }
}

/// RFC 6750 §2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|byte| FITS.get(usize::from(byte)).is_some_and(|fits| *fits))
}

/// Which bytes may stand in a token: looked up, since each token that is not remembered has hundreds of them.
#[allow(clippy::indexing_slicing, reason = "a byte has a place among 256; judged when it is built")]
static FITS: [bool; 256] = {
    let (mut table, mut bytes) = ([false; 256], B64TOKEN);
    while let [byte, rest @ ..] = bytes {
        table[*byte as usize] = true;
        bytes = rest;
    }
    table
};

const B64TOKEN: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";

fn has_access_token(query: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let name = pair.split('=').next().unwrap_or("");
        percent_encoding::percent_decode_str(name).eq(b"access_token".iter().copied())
    })
}

#[cfg(test)]
mod tests;
