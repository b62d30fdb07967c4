//! How a login is reused.

use std::fmt;
use std::str::FromStr;

/// What is tried first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// A bearer token with the first request.
    #[default]
    BearerFirst,
    /// The application's own cookie, and a bearer token once that was refused.
    CookieFirst,
}

impl Mode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::BearerFirst, Self::CookieFirst];

    /// As the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BearerFirst => "bearer_first",
            Self::CookieFirst => "cookie_first",
        }
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    /// In any case, with `_` or `-`.
    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        let plain = text.to_ascii_lowercase().replace('-', "_");
        Self::ALL.into_iter().find(|mode| mode.as_str() == plain).ok_or_else(|| UnknownMode(text.into()))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No mode has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no mode of reuse: write `bearer_first` or `cookie_first`")]
pub struct UnknownMode(pub String);
