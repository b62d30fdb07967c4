//! Where a login ends: a path of the application's own, and nothing that a browser could take for another place
//! (HARD 31).

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Longest path, in bytes.
const LONGEST: usize = 2048;
/// Any origin will do to see where a browser would go.
const HERE: &str = "https://here.invalid";

/// A path with its query, on the application's own origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo(String);

/// Why a text is no such path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`returnTo` is a path of this application, such as `/notes?id=1`")]
pub struct ReturnToError;

impl ReturnTo {
    /// The application's root.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ReturnTo {
    type Err = ReturnToError;

    fn from_str(text: &str) -> Result<Self, ReturnToError> {
        // Browsers read `\` as `/`, drop tabs and line breaks, and take `//host` for another place.
        let is_path = text.starts_with('/') && !text.starts_with("//") && text.len() <= LONGEST;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        // A part that is decoded once more on its way must not begin to mean another place either.
        let lower = text.to_ascii_lowercase();
        let hides_nothing =
            !lower.starts_with("/%2f") && !lower.starts_with("/%5c") && !lower.starts_with("/.");
        let stays = || {
            let (here, there) = (Url::parse(HERE).ok()?, Url::parse(HERE).ok()?.join(text).ok()?);
            let is_same = here.origin() == there.origin() && !there.path().starts_with("//");
            is_same.then_some(())
        };
        (is_path && is_plain && hides_nothing && stays().is_some())
            .then(|| Self(text.to_owned()))
            .ok_or(ReturnToError)
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use proptest::prelude::*;

    use super::*;

    // HARD 31
    #[test]
    fn a_path_of_our_own_is_kept_as_it_is() {
        for text in ["/", "/notes", "/notes?id=1&x=%2F", "/a/b/../c", "/a#part", "/@x", "/a//b"] {
            assert_eq!(text.parse::<ReturnTo>().unwrap().as_str(), text);
        }
    }

    // HARD 31
    #[test]
    fn nothing_that_could_lead_elsewhere_is_taken() {
        for text in [
            "",
            "notes",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " /notes",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "/%2Fevil.example",
            "/%2f%2fevil.example",
            "/%5Cevil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/ü",
            "@evil.example",
            "?x",
            "#x",
        ] {
            assert!(text.parse::<ReturnTo>().is_err(), "{text:?}");
        }
        assert!(format!("/{}", "x".repeat(LONGEST)).parse::<ReturnTo>().is_err());
    }

    proptest! {
        // HARD 31
        #[test]
        fn whatever_is_taken_stays_at_home_in_a_browsers_eyes(text in "[/\\\\.%25cCfF:@?#\ta-e]{0,12}") {
            if let Ok(path) = text.parse::<ReturnTo>() {
                let home = Url::parse("https://app.example/auth/callback").unwrap();
                prop_assert_eq!(home.join(path.as_str()).unwrap().origin(), home.origin());
            }
        }
    }
}
