//! The broker's cookies: what they are called, what they allow, and what came with a request (RFC 6265bis, HARD 30).

use std::borrow::Cow;
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
        let lines: Vec<_> = headers.get_all(COOKIE).iter().collect();
        if lines.iter().map(|line| line.len()).sum::<usize>() > MOST {
            return Presented::Wrong;
        }
        let mut found: Option<Cow<'_, str>> = None;
        for line in &lines {
            // Bytes that are no text belong to somebody else's cookie, or make ours unreadable: either way none of ours.
            let Ok(line) = line.to_str() else { return Presented::Wrong };
            for pair in line.split(';') {
                let Some((name, value)) = pair.trim().split_once('=') else { continue };
                if name != self.name {
                    continue;
                }
                match &found {
                    Some(before) if **before != *value => return Presented::Wrong,
                    _ => found = Some(value.into()),
                }
            }
        }
        match found {
            None => Presented::Nothing,
            Some(value) => Secret::parse(&value).map_or(Presented::Wrong, Presented::One),
        }
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

#[cfg(test)]
mod tests;
