//! Which methods a revision of MCP has: since `2026-07-28` there is POST alone; before there were streams by GET and
//! sessions that DELETE ends (SPEC PX-1).

use bearward_guard::revision::{PROTOCOL_VERSION, is_stateless};
use http::Method;
use http::request::Parts;

/// Which revisions a guard lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Revisions {
    /// All of them.
    #[default]
    Any,
    /// `2026-07-28` and later ones.
    Stateless,
}

impl Revisions {
    /// The methods that there are, for `Allow`.
    pub(crate) fn methods(self) -> &'static str {
        match self {
            Self::Any => "GET, POST, DELETE, OPTIONS",
            Self::Stateless => "POST, OPTIONS",
        }
    }

    /// Whether a request has a method that its revision has. A GET or DELETE that names no revision is of an old one;
    /// what is neither of these nor POST, in this very spelling, is no method of MCP, and nobody would judge its body.
    pub(crate) fn allow(self, head: &Parts) -> bool {
        let named = || head.headers.get(PROTOCOL_VERSION).and_then(|value| value.to_str().ok());
        match head.method {
            Method::POST => true,
            Method::GET | Method::DELETE => self == Self::Any && !named().is_some_and(is_stateless),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    // SPEC PX-1
    #[test]
    fn get_and_delete_are_for_revisions_before_the_stateless_one() {
        for (method, revision, any, stateless) in [
            ("POST", Some("2026-07-28"), true, true),
            ("POST", Some("2025-06-18"), true, true),
            ("POST", None, true, true),
            ("GET", None, true, false),
            ("GET", Some("2025-11-25"), true, false),
            ("GET", Some("2026-07-28"), false, false),
            ("DELETE", Some("2026-07-28"), false, false),
            ("DELETE", Some("2027-01-01"), false, false),
            ("DELETE", Some("2025-03-26"), true, false),
            ("PUT", None, false, false),
            ("PATCH", Some("2025-06-18"), false, false),
            ("PROPFIND", None, false, false),
            ("post", None, false, false),
            ("HEAD", None, false, false),
        ] {
            let mut request = Request::builder().method(method);
            if let Some(revision) = revision {
                request = request.header(PROTOCOL_VERSION, revision);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(Revisions::Any.allow(&head), any, "{method} {revision:?}");
            assert_eq!(Revisions::Stateless.allow(&head), stateless, "{method} {revision:?}, pinned");
        }
    }
}
