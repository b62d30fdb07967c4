//! Where a request goes: a configured base, and what of the request's path comes behind it.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// The base URL of an upstream or provider, taken apart once.
#[derive(Debug, Clone)]
pub struct Target {
    scheme: Scheme,
    authority: Authority,
    /// As it was configured.
    base_path: String,
    /// The same in one piece: what most requests go to.
    base: Uri,
}

/// Why no target can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The configured text is no base URL.
    #[error("`{0}` is not an absolute http or https URL without query")]
    NotABase(String),
    /// The path would leave the base (`..`), or read differently on the other side.
    #[error("the path holds a dot segment")]
    Traversal,
    /// Not a URI.
    #[error("the path is not a valid URI path")]
    NotAPath,
}

impl Target {
    /// Reads a base URL.
    ///
    /// # Errors
    /// [`TargetError::NotABase`].
    pub fn new(base: &str) -> Result<Self, TargetError> {
        let not_a_base = || TargetError::NotABase(base.into());
        let base_uri = base.parse::<Uri>().map_err(|_| not_a_base())?;
        let parts = base_uri.clone().into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(not_a_base());
        };
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if path.query().is_some() || (scheme != Scheme::HTTP && scheme != Scheme::HTTPS) {
            return Err(not_a_base());
        }
        Ok(Self { scheme, authority, base_path: path.path().into(), base: base_uri })
    }

    /// The URI for the base with `rest` behind it. `rest` is empty or starts with `/`; an empty one leaves
    /// the base as it was configured.
    ///
    /// # Errors
    /// [`TargetError::Traversal`] for a path that could leave the base.
    pub fn join(&self, rest: &str, query: Option<&str>) -> Result<Uri, TargetError> {
        if rest.is_empty() && query.is_none() {
            return Ok(self.base.clone());
        }
        if has_dot_segment(rest) {
            return Err(TargetError::Traversal);
        }
        let mut path = match rest {
            "" => self.base_path.clone(),
            rest => format!("{}{rest}", self.base_path.trim_end_matches('/')),
        };
        if let Some(query) = query {
            path.push('?');
            path.push_str(query);
        }
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|_| TargetError::NotAPath)
    }

    /// What of a place comes behind this base, query included; `None` for a place elsewhere. A place without an
    /// authority is on this one.
    pub fn below(&self, place: &Uri) -> Option<String> {
        let is_here = match (place.scheme(), place.authority()) {
            (None, None) => true,
            (Some(scheme), Some(authority)) => *scheme == self.scheme && *authority == self.authority,
            _ => false,
        };
        let path = place.path_and_query().filter(|_| is_here)?.as_str();
        let rest = path.strip_prefix(self.base_path.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| rest.to_owned())
    }

    /// `scheme://host[:port]`, for log lines.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// True for `https`.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// True when the destination can only be this machine.
    pub fn is_loopback(&self) -> bool {
        crate::browser::is_loopback_host(self.authority.as_str())
    }
}

/// True for a segment `.` or `..`, in any way that a server behind might read one: percent-encoded, behind
/// an encoded slash or a backslash, with a path parameter at its end.
fn has_dot_segment(path: &str) -> bool {
    let plain = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    plain.split(['/', '\\']).any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

#[cfg(test)]
mod tests;
