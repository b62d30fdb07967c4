//! The broker's cookies: what they are called, what they allow, and what came with a request (RFC 6265bis, HARD 30).

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::random::Secret;

/// Longest cookies that are read, all together, in bytes; a request with more has none of ours.
const MOST: usize = 16 * 1024;

/// What cookies of this application are like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieRules {
    name: String,
    is_secure: bool,
    same_site: SameSite,
}

/// What a request brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// No cookie of ours.
    Nothing,
    /// One, of the right form; whether it opens anything is another question.
    One(Secret),
    /// What cannot be ours: malformed, too long, or several that differ. A cookie that another host of the same site
    /// planted beside ours must not be taken for it.
    Wrong,
}

impl CookieRules {
    /// Cookies for HTTPS: `__Host-` keeps other hosts of the same site from setting them, and other paths from having
    /// their own.
    pub fn secure(name: &str, same_site: SameSite) -> Self {
        Self { name: format!("__Host-{name}"), is_secure: true, same_site }
    }

    /// Cookies for development on plain-HTTP loopback, where browsers take no `Secure` ones. Nothing keeps the other
    /// servers of the same host from reading and setting them.
    pub fn for_development(name: &str) -> Self {
        Self { name: format!("dev-{name}"), is_secure: false, same_site: SameSite::Lax }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `Set-Cookie` that gives it; `None` when that is no header.
    pub fn set(&self, value: &Secret, life: Duration) -> Option<HeaderValue> {
        self.header(value.expose(), life)
    }

    /// `Set-Cookie` that takes it away.
    pub fn clear(&self) -> Option<HeaderValue> {
        self.header("", Duration::ZERO)
    }

    /// What a request's headers bring under this name. Browsers may split cookies over several headers (HTTP/2).
    pub fn presented(&self, headers: &HeaderMap) -> Presented {
        let Some(lines) = short_enough(headers) else { return Presented::Wrong };
        let mut found: Option<&[u8]> = None;
        for value in lines.iter().flat_map(|line| self.values(line)) {
            match found {
                Some(before) if before != value => return Presented::Wrong,
                _ => found = Some(value),
            }
        }
        match found {
            None => Presented::Nothing,
            Some(value) => parse(value).map_or(Presented::Wrong, Presented::One),
        }
    }

    /// Every one that has the right form, for who wants to end whatever is there; of more than a browser would send, none.
    pub fn all_presented(&self, headers: &HeaderMap) -> Vec<Secret> {
        let mut all: Vec<Secret> = Vec::new();
        let Some(lines) = short_enough(headers) else { return all };
        for secret in lines.iter().flat_map(|line| self.values(line)).filter_map(parse) {
            if !all.contains(&secret) {
                all.push(secret);
            }
        }
        all
    }

    /// The values under this name in one header. Neighbours may be anything, also bytes that are no text.
    fn values<'a>(&'a self, line: &'a HeaderValue) -> impl Iterator<Item = &'a [u8]> {
        line.as_bytes()
            .split(|byte| *byte == b';')
            .filter_map(|pair| pair.trim_ascii().strip_prefix(self.name.as_bytes())?.strip_prefix(b"="))
    }

    fn header(&self, value: &str, life: Duration) -> Option<HeaderValue> {
        // Without `Domain` it goes to this host alone.
        let cookie = Cookie::build((self.name.as_str(), value))
            .path("/")
            .http_only(true)
            .secure(self.is_secure)
            .same_site(self.same_site)
            .max_age(life.try_into().ok()?);
        let mut value = HeaderValue::try_from(cookie.build().to_string()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// A request's `Cookie` headers; `None`: they are longer than what is looked at.
fn short_enough(headers: &HeaderMap) -> Option<Vec<&HeaderValue>> {
    let lines: Vec<_> = headers.get_all(COOKIE).iter().collect();
    (lines.iter().map(|line| line.len()).sum::<usize>() <= MOST).then_some(lines)
}

fn parse(value: &[u8]) -> Option<Secret> {
    std::str::from_utf8(value).ok().and_then(Secret::parse)
}

#[cfg(test)]
mod tests;
