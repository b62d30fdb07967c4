//! Finds header fields. Most of those that are asked about are not there, which a look at each of the few names tells
//! sooner than their hashes do.
//!
//! A field that may stand once and stands twice says two things, and servers differ in which of them they believe
//! (SPEC PX-8). So whoever decides by a field asks for the [`only`] one.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A field stands more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a header that may stand once stands more than once")]
pub struct Several;

/// The one value under a name; `None`: there is none.
///
/// # Errors
/// [`Several`].
pub fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Several> {
    if !has(headers, name) {
        return Ok(None);
    }
    let mut values = headers.get_all(name).iter();
    let found = values.next();
    if values.next().is_none() { Ok(found) } else { Err(Several) }
}

/// The first value under a name.
pub fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    if has(headers, name) { headers.get(name) } else { None }
}

/// Whether there is a field of this name.
pub fn has(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.keys().any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // What decides must not depend on how it is looked for.
        #[test]
        fn what_is_found_is_what_the_map_has(
            fields in prop::collection::vec(("[a-d]|host|origin|authorization", "[a-z]{0,3}"), 0..12),
            asked in "[a-d]|host|origin|authorization",
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &fields {
                let name = HeaderName::try_from(name).unwrap();
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
            let asked = HeaderName::try_from(asked).unwrap();
            let all: Vec<_> = headers.get_all(&asked).iter().collect();
            prop_assert_eq!(has(&headers, &asked), !all.is_empty());
            prop_assert_eq!(first(&headers, &asked), headers.get(&asked));
            let one = match *all {
                [] => Ok(None),
                [one] => Ok(Some(one)),
                _ => Err(Several),
            };
            prop_assert_eq!(only(&headers, &asked), one);
        }
    }
}
