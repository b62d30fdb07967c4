//! Fields that may stand once.
//!
//! One that stands twice says two things, and servers differ in which of them they believe (SPEC PX-8).

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
    let mut values = headers.get_all(name).iter();
    let found = values.next();
    if values.next().is_none() { Ok(found) } else { Err(Several) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SPEC PX-8
    #[test]
    fn what_stands_twice_has_no_value_and_what_stands_once_has_its_own() {
        const NAME: HeaderName = HeaderName::from_static("mcp-session-id");
        let mut headers = HeaderMap::new();
        headers.append("mcp-name", HeaderValue::from_static("other"));
        assert_eq!(only(&headers, &NAME), Ok(None));
        headers.append(NAME, HeaderValue::from_static("one"));
        assert_eq!(only(&headers, &NAME), Ok(Some(&HeaderValue::from_static("one"))));
        for again in ["one", "two"] {
            let mut twice = headers.clone();
            twice.append(NAME, HeaderValue::from_static(again));
            assert_eq!(only(&twice, &NAME), Err(Several), "also where both say the same: {again}");
        }
    }
}
