//! One member of a JSON object that holds secrets; the others are passed over and copied nowhere.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// Why there is no such text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoMember {
    /// It is no object.
    NoObject,
    /// It has no such member.
    Missing,
    /// The member is a number, a list, an object …
    NotText,
}

/// The text of a member.
pub(crate) fn text(object: &str, name: &str) -> Result<Zeroizing<String>, NoMember> {
    let members: HashMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(object).map_err(|_| NoMember::NoObject)?;
    let member = members.get(name).filter(|member| member.get() != "null").ok_or(NoMember::Missing)?;
    serde_json::from_str(member.get()).map(Zeroizing::new).map_err(|_| NoMember::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_among_others_whatever_they_are() {
        let object =
            r#"{"a": {"secret": "no"}, "secret": "q\"\u00fc", "n": 1, "list": [1, "x"], "nothing": null}"#;
        assert_eq!(text(object, "secret").unwrap().as_str(), "q\"ü");
        for (name, why) in [
            ("b", NoMember::Missing),
            ("nothing", NoMember::Missing),
            ("a", NoMember::NotText),
            ("n", NoMember::NotText),
            ("list", NoMember::NotText),
        ] {
            assert_eq!(text(object, name), Err(why), "{name}");
        }
        for no_object in ["", "secret", "[]", "\"secret\"", "{\"secret\": "] {
            assert_eq!(text(no_object, "secret"), Err(NoMember::NoObject), "{no_object}");
        }
    }
}
