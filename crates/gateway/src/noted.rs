//! Headers as they are kept for a second attempt, which hardly any request needs: one piece of memory, while a map of them
//! would share each of its values with the first.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Behind a name, in which it cannot stand (RFC 9110 §5.1).
const COLON: u8 = b':';
/// Behind a value, in which neither can stand (RFC 9110 §5.5): the second behind one that is sensitive.
const END: u8 = b'\n';
const SENSITIVE_END: u8 = b'\r';

/// Headers, written down. Some may be secrets: nobody's to print.
pub(crate) struct Noted(Vec<u8>);

impl Noted {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let length = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 2;
        let mut text = Vec::with_capacity(headers.iter().map(length).sum());
        for (name, value) in headers {
            text.extend_from_slice(name.as_str().as_bytes());
            text.push(COLON);
            text.extend_from_slice(value.as_bytes());
            text.push(if value.is_sensitive() { SENSITIVE_END } else { END });
        }
        Self(text)
    }

    /// What was written down; `None` where that cannot be read, which no header is known to do.
    pub(crate) fn read(&self) -> Option<HeaderMap> {
        self.0.split_inclusive(|byte| matches!(*byte, END | SENSITIVE_END)).map(header).collect()
    }
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let (end, text) = line.split_last()?;
    let colon = memchr::memchr(COLON, text)?;
    let (name, value) = (text.get(..colon)?, text.get(colon + 1..)?);
    let mut value = HeaderValue::from_bytes(value).ok()?;
    value.set_sensitive(*end == SENSITIVE_END);
    Some((HeaderName::from_bytes(name).ok()?, value))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written_down(
            pairs in vec(("[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,12}", vec(prop_oneof![Just(b'\t'), 32..=126u8, 128..=255u8], 0..20), any::<bool>()), 0..12)
        ) {
            let mut headers = HeaderMap::new();
            for (name, value, is_sensitive) in pairs {
                let mut value = HeaderValue::from_bytes(&value).unwrap();
                value.set_sensitive(is_sensitive);
                headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
            }
            let read = Noted::of(&headers).read().unwrap();
            let all = |headers: &HeaderMap| -> Vec<_> {
                headers.iter().map(|(name, value)| (name.clone(), value.clone(), value.is_sensitive())).collect()
            };
            prop_assert_eq!(all(&read), all(&headers));
        }
    }

    #[test]
    fn names_that_stand_twice_and_values_that_say_nothing_are_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("accept", "a:b"), ("mcp-param-x", ""), ("accept", "c"), ("x-other", ":")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        assert_eq!(Noted::of(&headers).read(), Some(headers));
        assert_eq!(Noted::of(&HeaderMap::new()).read(), Some(HeaderMap::new()));
    }
}
