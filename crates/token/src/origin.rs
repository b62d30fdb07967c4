//! Where a web resource comes from, and what two places that share a login have in common.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use url::Url;

use crate::place::is_loopback;
use crate::{Issuer, PlaceError, Resource};

/// Scheme, host and port (RFC 6454 §4), lower case, without a port that its scheme implies. Compared as a whole: no suffix
/// and no prefix of an origin is an origin of its own.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    text: Arc<str>,
    is_loopback: bool,
}

/// What an outbound token's issuer and a provider must share: the same issuer, or, where one of them does not say who
/// issues, the same origin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authority {
    issuer: Option<Issuer>,
    origin: Option<Origin>,
}

impl Origin {
    /// The origin of a URL; `None` for what is neither HTTP nor HTTPS.
    pub fn of(url: &Url) -> Option<Self> {
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        is_web
            .then(|| Self { text: url.origin().ascii_serialization().into(), is_loopback: is_loopback(url) })
    }

    /// `scheme://host[:port]`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True when everybody on the way can read what is sent there.
    pub fn is_plain_http(&self) -> bool {
        self.text.starts_with("http://")
    }

    /// True when it can only be this machine.
    pub fn is_loopback(&self) -> bool {
        self.is_loopback
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    /// `https://host`, with a port if need be. A path is a mistake: it would read as if it restricted anything.
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let place: Resource = text.parse().map_err(OriginError::Place)?;
        let url = Url::parse(place.as_str()).ok().filter(|_| matches!(place.path(), "" | "/"));
        url.as_ref().and_then(Self::of).ok_or_else(|| OriginError::NotBare { text: text.into() })
    }
}

/// Why a text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is no place at all.
    #[error(transparent)]
    Place(PlaceError),
    /// It is more than an origin.
    #[error("`{text}` is more than an origin: write the scheme, the host and the port alone")]
    NotBare {
        /// What was given.
        text: String,
    },
}

impl Authority {
    /// Of who issues; its origin stands in where the other side has no issuer.
    pub fn of_issuer(issuer: Issuer) -> Self {
        let origin = Url::parse(issuer.as_str()).ok().and_then(|url| Origin::of(&url));
        Self { issuer: Some(issuer), origin }
    }

    /// Of a place that does not say who issues its tokens.
    pub fn of_origin(origin: Origin) -> Self {
        Self { issuer: None, origin: Some(origin) }
    }

    /// The same issuer, with an origin that is not the issuer's.
    #[must_use]
    pub fn at(self, origin: Origin) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// Who issues, where that is known.
    pub fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref()
    }

    /// Where it is.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Whether both are one: by their issuers when both have one, byte for byte and with the path, since two realms of one
    /// host are two; else by their origins. What says nothing is the same as nothing.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (&self.issuer, &other.issuer) {
            (Some(one), Some(other)) => one == other,
            _ => self.origin.is_some() && self.origin == other.origin,
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = self.issuer.as_ref().map(Issuer::as_str);
        f.write_str(issuer.or(self.origin.as_ref().map(Origin::as_str)).unwrap_or("nothing"))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
