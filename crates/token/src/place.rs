//! Places on the network, kept byte for byte as they were configured.
//!
//! `http://host` and `http://host/` are different issuers and different audiences, and Rust's `url` crate
//! turns the first into the second. So these types validate with it and keep the text they were given.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use url::{Host, Url};

/// An authorization server's identifier. Compared as a plain string (RFC 8414 §3.3, RFC 9207 §2.4).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Issuer(Arc<str>);

/// A protected resource's canonical URI (RFC 8707 §2, SPEC RS-1), kept as given.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    text: Arc<str>,
    origin_len: usize,
}

/// A URL that secrets may be sent to: HTTPS, or plain HTTP to loopback alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(Arc<str>);

/// Why a text is no place for a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Not an absolute http(s) URL.
    #[error("`{text}` is not an absolute http or https URL")]
    NotAUrl {
        /// What was given.
        text: String,
    },
    /// Plain HTTP to somewhere else than this machine.
    #[error(
        "`{text}` is plain HTTP to another machine: use https:// (plain HTTP is accepted on loopback only)"
    )]
    PlainHttp {
        /// What was given.
        text: String,
    },
    /// A user name or password in the URL.
    #[error(
        "the URL for host `{host}` carries a user name or password: remove it and name the secret by reference"
    )]
    Credentials {
        /// The host alone, since the rest may be secret.
        host: String,
    },
    /// A part that has no meaning there.
    #[error("`{text}` has a {part}, which has no place here: remove it")]
    Unexpected {
        /// What was given.
        text: String,
        /// `query` or `fragment`.
        part: &'static str,
    },
}

impl Issuer {
    /// The text as configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `http://`, which is accepted on loopback only and deserves a warning.
    pub fn is_plain_http(&self) -> bool {
        is_plain_http(&self.0)
    }
}

impl FromStr for Issuer {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let url = secure(text)?;
        refuse_part(text, "query", url.query())?;
        refuse_part(text, "fragment", url.fragment())?;
        Ok(Self(text.into()))
    }
}

impl Resource {
    /// The text as configured.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `scheme://host[:port]`, as written.
    pub fn origin(&self) -> &str {
        self.text.get(..self.origin_len).unwrap_or(&self.text)
    }

    /// What follows the origin, as written: empty, or starts with `/`.
    pub fn path(&self) -> &str {
        self.text.get(self.origin_len..).unwrap_or("")
    }
}

impl FromStr for Resource {
    type Err = PlaceError;

    /// A resource may be plain HTTP anywhere: a TLS terminator may stand in front of its listener.
    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let url = absolute(text)?;
        refuse_part(text, "query", url.query())?;
        refuse_part(text, "fragment", url.fragment())?;
        let after_scheme = text.find("://").map_or(0, |at| at + 3);
        let authority = text.get(after_scheme..).unwrap_or("");
        let origin_len = after_scheme + authority.find('/').unwrap_or(authority.len());
        Ok(Self { text: text.into(), origin_len })
    }
}

impl Endpoint {
    /// The text as configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `http://`, which is accepted on loopback only and deserves a warning.
    pub fn is_plain_http(&self) -> bool {
        is_plain_http(&self.0)
    }
}

impl FromStr for Endpoint {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let url = secure(text)?;
        refuse_part(text, "fragment", url.fragment())?;
        Ok(Self(text.into()))
    }
}

/// True when a URL's host can only be this machine: `localhost`, 127.0.0.0/8, `[::1]`. Names below `localhost` are
/// none: some resolvers ask the network for them.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

fn secure(text: &str) -> Result<Url, PlaceError> {
    let url = absolute(text)?;
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(PlaceError::PlainHttp { text: text.into() });
    }
    Ok(url)
}

fn absolute(text: &str) -> Result<Url, PlaceError> {
    let not_a_url = || PlaceError::NotAUrl { text: text.into() };
    // The parser forgives spaces, tabs, backslashes and a missing slash; a place that is compared byte for byte must not.
    if !text.starts_with("https://") && !text.starts_with("http://") {
        return Err(not_a_url());
    }
    if text.bytes().any(|b| b <= b' ' || b == b'\\' || b >= 0x7f) {
        return Err(not_a_url());
    }
    let url = Url::parse(text).map_err(|_| not_a_url())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(PlaceError::Credentials { host: url.host_str().unwrap_or("").into() });
    }
    Ok(url)
}

fn refuse_part(text: &str, part: &'static str, found: Option<&str>) -> Result<(), PlaceError> {
    match found {
        Some(_) => Err(PlaceError::Unexpected { text: text.into(), part }),
        None => Ok(()),
    }
}

fn is_plain_http(text: &str) -> bool {
    text.starts_with("http://")
}

macro_rules! shows_its_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
shows_its_text!(Issuer, Resource, Endpoint);

#[cfg(test)]
mod tests;
