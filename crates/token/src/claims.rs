//! Verified claims, kept as the text they came in and read when somebody wants one.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use serde_json::{Map, Value};

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
    /// What was `read` from `text`, a JSON object.
    pub fn new(text: Vec<u8>, read: Map<String, Value>) -> Self {
        Self { text, read: OnceLock::from(read) }
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
        Self::new(Vec::new(), read)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// It was read once before, so it can be read again.
fn of(text: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims() -> Claims {
        let text = br#"{"sub":"alice","roles":["a","b"],"n":1.5}"#.to_vec();
        let read = serde_json::from_slice(&text).unwrap();
        Claims::new(text, read)
    }

    #[test]
    fn packed_claims_say_what_they_said() {
        let whole = claims();
        let packed = claims().packed();
        assert!(packed.read.get().is_none(), "nothing but the text is kept");
        assert_eq!(*packed, *whole);
        assert_eq!(packed.get("sub"), Some(&json!("alice")));
        assert_eq!(claims().packed().into_map(), whole.into_map());
    }

    #[test]
    fn claims_that_came_without_a_text_are_not_lost_when_they_are_packed() {
        let map = claims().into_map();
        let packed = Claims::from(map.clone()).packed();
        assert_eq!(packed.text(), None);
        assert_eq!(packed.into_map(), map);
    }
}
