//! Verified claims, kept as the text they came in and read when somebody wants one.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::strict_json;

/// The claims of a token. They look like a map.
///
/// A map of claims is some thirty pieces of memory, and few programs look into it once the token is verified: what is
/// remembered by the thousand stays one text until then.
#[derive(Clone, Default)]
pub struct Claims {
    /// Empty where they did not come as one.
    text: Vec<u8>,
    read: OnceLock<Map<String, Value>>,
}

impl Claims {
    /// Reads the claims of a token (SPEC JW-5).
    ///
    /// # Errors
    /// As [`strict_json::object`].
    pub fn read(text: Vec<u8>) -> Result<Self, serde_json::Error> {
        let read = OnceLock::from(strict_json::object(&text)?);
        Ok(Self { text, read })
    }

    /// Keeps no more than the text, if there is one.
    #[must_use]
    pub fn packed(self) -> Self {
        if self.text.is_empty() { self } else { Self { text: self.text, read: OnceLock::new() } }
    }

    /// The text; `None` where they did not come as one.
    pub fn text(&self) -> Option<&[u8]> {
        (!self.text.is_empty()).then_some(self.text.as_slice())
    }

    /// Just the map.
    pub fn into_map(self) -> Map<String, Value> {
        let Self { text, read } = self;
        read.into_inner().unwrap_or_else(|| of(&text))
    }
}

impl Deref for Claims {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        self.read.get_or_init(|| of(&self.text))
    }
}

impl From<Map<String, Value>> for Claims {
    fn from(read: Map<String, Value>) -> Self {
        Self { text: Vec::new(), read: OnceLock::from(read) }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// It was read once before and in the same way, which is what was judged: so it can be read again, and says the same.
fn of(text: &[u8]) -> Map<String, Value> {
    strict_json::object(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As verified claims may be; the last is an object to us, and something else to who reads JSON less plainly.
    const TEXTS: [&str; 4] = [
        r#"{"sub":"alice","roles":["a","b"],"n":1.5}"#,
        r#"{"big":18446744073709551615,"small":-9223372036854775808,"huge":1e300,"none":null,"minus":-0.0}"#,
        r#"{"iss":"https:\/\/idp.example","\u0073ub":"\ud83d\ude00"}"#,
        r#"{"sub":"bob","own":{"$serde_json::private::RawValue":"{"},"x-plan":"free"}"#,
    ];

    // SPEC JW-5
    #[test]
    fn claims_say_the_same_when_they_are_read_again() {
        for text in TEXTS {
            let read = Claims::read(text.into()).unwrap();
            let packed = read.clone().packed();
            assert!(packed.read.get().is_none(), "nothing but the text is kept");
            assert!(!read.is_empty());
            assert_eq!(*packed, *read, "{text}");
            assert_eq!(read.clone().packed().into_map(), read.into_map(), "{text}");
        }
        let claims = Claims::read(TEXTS[3].into()).unwrap().packed();
        assert_eq!(claims.get("x-plan"), Some(&json!("free")));
    }

    #[test]
    fn claims_that_came_without_a_text_are_not_lost_when_they_are_packed() {
        let map = Claims::read(TEXTS[0].into()).unwrap().into_map();
        let packed = Claims::from(map.clone()).packed();
        assert_eq!(packed.text(), None);
        assert_eq!(packed.into_map(), map);
    }
}
