//! A cookie as the browser keeps it.

pub use ::cookie::SameSite;
use fantoccini::cookies::Cookie as WebDriverCookie;

/// What a test may want to know of a cookie, or set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// No script may read it.
    pub http_only: bool,
    /// It is sent by TLS alone, or to this machine.
    pub secure: bool,
    /// Which requests of other sites carry it; `Lax`, too, where the server said nothing.
    pub same_site: SameSite,
    /// The paths that it is sent to begin so.
    pub path: String,
    /// The host that it is sent to; with a dot in front, the hosts below it, too.
    pub domain: String,
}

impl Cookie {
    /// A cookie for every path of `host`, which a script may read.
    pub fn new(host: &str, name: &str, value: &str) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            http_only: false,
            secure: false,
            same_site: SameSite::Lax,
            path: "/".into(),
            domain: host.into(),
        }
    }
}

impl From<WebDriverCookie<'static>> for Cookie {
    fn from(cookie: WebDriverCookie<'static>) -> Self {
        Self {
            name: cookie.name().into(),
            value: cookie.value().into(),
            http_only: cookie.http_only().unwrap_or(false),
            secure: cookie.secure().unwrap_or(false),
            same_site: cookie.same_site().unwrap_or(SameSite::Lax),
            path: cookie.path().unwrap_or("/").into(),
            domain: cookie.domain().unwrap_or_default().into(),
        }
    }
}

impl From<Cookie> for WebDriverCookie<'static> {
    fn from(cookie: Cookie) -> Self {
        Self::build((cookie.name, cookie.value))
            .http_only(cookie.http_only)
            .secure(cookie.secure)
            .same_site(cookie.same_site)
            .path(cookie.path)
            .domain(cookie.domain)
            .build()
    }
}
