//! Finds header fields by a look at each: a request has few, and a map would hash the name for each question about it.
//!
//! A field that may stand once and stands twice says two things, and servers differ in which of them they believe
//! (SPEC PX-8). So whoever decides by a field asks for [`only`] one.

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
    let mut found = None;
    for value in values(headers, name) {
        if found.replace(value).is_some() {
            return Err(Several);
        }
    }
    Ok(found)
}

/// The first value under a name, as a map gives it.
pub fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    values(headers, name).next()
}

/// All values under a name, in their order.
pub fn values<'a, 'n>(
    headers: &'a HeaderMap,
    name: &'n HeaderName,
) -> impl Iterator<Item = &'a HeaderValue> + use<'a, 'n> {
    headers.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value)
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
            prop_assert_eq!(values(&headers, &asked).collect::<Vec<_>>(), all.clone());
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
