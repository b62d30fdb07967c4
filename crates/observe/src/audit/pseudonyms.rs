//! Personal data in the trail, by choice under another name: the same person has the same, and nobody without the key
//! can tell who it is.

use std::collections::BTreeSet;
use std::fmt;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

/// A field of the trail that may say who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `subject`.
    Subject,
    /// `client`.
    Client,
    /// `tenant`.
    Tenant,
    /// `name`: URIs of resources may name people.
    Name,
    /// `address`.
    Address,
}

/// Which fields are hidden, and by what key. The default hides none.
#[derive(Default)]
pub struct Pseudonyms(Option<(Key, BTreeSet<Field>)>);

impl Pseudonyms {
    /// Hides these fields. A key that others do not know is what keeps them hidden: subjects can be guessed and tried.
    pub fn new(key: &[u8], fields: impl IntoIterator<Item = Field>) -> Self {
        Self(Some((Key::new(HMAC_SHA256, key), fields.into_iter().collect())))
    }

    /// `hmac:` and 128 bits in hex; `None` where the field is not hidden. Equal texts in different fields differ.
    pub(super) fn of(&self, field: Field, text: &str) -> Option<String> {
        let (key, fields) = self.0.as_ref()?;
        let hidden = fields.contains(&field).then(|| sign(key, format!("{field:?}\0{text}").as_bytes()))?;
        Some(format!("hmac:{}", hex::encode(hidden.as_ref().get(..16)?)))
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pseudonyms").field(&self.0.as_ref().map(|(_, fields)| fields)).finish()
    }
}
