//! Where in a token's claims a fact stands: a member by its exact name, or deeper by a JSON pointer (RFC 6901).
//!
//! Names of claims hold dots and slashes (`https://example.com/roles`), so only a leading `/` makes a pointer.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

/// A place in claims.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimPath {
    text: String,
    /// Member names from the outside in.
    parts: Vec<String>,
}

/// A text that is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no claim: write a member's name, or a JSON pointer such as `/realm_access/roles`")]
pub struct ClaimPathError(String);

impl ClaimPath {
    /// What stands there; `None` for nothing and for `null`.
    pub fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.parts.split_first()?;
        let mut value = claims.get(first)?;
        for part in rest {
            value = match value {
                Value::Object(members) => members.get(part)?,
                Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value).filter(|value| !value.is_null())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A single member.
    pub(crate) fn member(name: &str) -> Self {
        Self { text: name.to_owned(), parts: vec![name.to_owned()] }
    }

    /// A JSON pointer that is known to be well-formed.
    pub(crate) fn pointer(parts: &[&str]) -> Self {
        let text = parts.iter().map(|part| format!("/{part}")).collect();
        Self { text, parts: parts.iter().map(|part| (*part).to_owned()).collect() }
    }
}

impl FromStr for ClaimPath {
    type Err = ClaimPathError;

    fn from_str(text: &str) -> Result<Self, ClaimPathError> {
        let wrong = || ClaimPathError(text.to_owned());
        let parts: Vec<String> = match text.strip_prefix('/') {
            None => vec![text.to_owned()],
            Some(pointer) => pointer.split('/').map(unescape).collect::<Option<_>>().ok_or_else(wrong)?,
        };
        if parts.iter().any(String::is_empty) {
            return Err(wrong());
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// RFC 6901 §4: `~1` is `/`, `~0` is `~`; nothing else follows a `~`.
fn unescape(part: &str) -> Option<String> {
    let is_sound = part.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    is_sound.then(|| part.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests;
