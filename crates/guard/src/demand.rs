//! What a token must say beyond what every token must: one claim or header member, and the values it may have.

use serde_json::{Map, Value};
use wildmatch::WildMatch;

use crate::claim_path::ClaimPath;

/// One demand. A token that does not meet it is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Where to look.
    pub place: Place,
    /// What may stand there; a list meets it when one of its items does.
    pub values: Vec<Pattern>,
    /// What an absent member means.
    pub absent: Absent,
}

/// Which half of a token.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// The verified claims.
    Claim(ClaimPath),
    /// The header, which is signed as well.
    Header(&'static str),
}

/// What a member means that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// The token is refused.
    Refused,
    /// The demand is met.
    Fine,
}

/// A value, or many by `*` (any characters) and `?` (any one). Numbers and booleans are compared as text.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Exact(String),
    Wild(String, WildMatch),
}

impl Demand {
    /// The claim must be there, with one of these values.
    pub fn claim(path: ClaimPath, values: impl IntoIterator<Item = Pattern>) -> Self {
        Self { place: Place::Claim(path), values: values.into_iter().collect(), absent: Absent::Refused }
    }

    /// The header member, if it is there, has one of these values.
    pub(crate) fn header_if_any(name: &'static str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| Pattern::new(value)).collect();
        Self { place: Place::Header(name), values, absent: Absent::Fine }
    }

    /// Whether a token meets it.
    pub fn is_met(&self, header: &Map<String, Value>, claims: &Map<String, Value>) -> bool {
        let found = match &self.place {
            Place::Claim(path) => path.find(claims),
            Place::Header(name) => header.get(*name),
        };
        match found {
            None => self.absent == Absent::Fine,
            Some(Value::Array(items)) => items.iter().any(|item| self.fits(item)),
            Some(value) => self.fits(value),
        }
    }

    fn fits(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.fits_text(text),
            Value::Bool(_) | Value::Number(_) => self.fits_text(&value.to_string()),
            _ => false,
        }
    }

    fn fits_text(&self, text: &str) -> bool {
        self.values.iter().any(|pattern| pattern.fits(text))
    }
}

impl Pattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Self {
        match text.contains(['*', '?']) {
            true => Self(Kind::Wild(text.to_owned(), WildMatch::new(text))),
            false => Self::exact(text),
        }
    }

    /// This very text.
    pub fn exact(text: &str) -> Self {
        Self(Kind::Exact(text.to_owned()))
    }

    /// The same pattern for texts in lower case.
    pub(crate) fn in_lower_case(self) -> Self {
        match self.0 {
            Kind::Exact(text) => Self::exact(&text.to_lowercase()),
            Kind::Wild(text, _) => Self::new(&text.to_lowercase()),
        }
    }

    /// Whether a text fits, case included.
    pub fn fits(&self, text: &str) -> bool {
        match &self.0 {
            Kind::Exact(exact) => exact == text,
            Kind::Wild(_, pattern) => pattern.matches(text),
        }
    }
}

#[cfg(test)]
mod tests;
