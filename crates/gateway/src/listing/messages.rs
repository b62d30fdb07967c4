//! Cuts the lists in JSON-RPC messages, so that no reader can find in them what was cut out (SPEC PX-3, on the way back).
//!
//! A member that stands twice, or in a spelling that some reader takes for the real one, is cut like the real one:
//! whichever of them a client goes by, it sees what it may. A text is taken apart only as far as lists can stand in
//! it, and what stays is written as it came, so that numbers keep their digits and members their order.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::listing::List;

/// A text that is no JSON, or that ends too early or too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an answer or event of the upstream is no JSON text, so that nothing can be said about lists in it")]
pub struct Unclear;

/// A message, or a batch of them (revision 2025-03-26), with what may not be used cut out of its lists; `None` when
/// it can stay as it is. A blank text is none and stays.
///
/// # Errors
/// [`Unclear`].
pub(super) fn cut(
    text: &[u8],
    lists: &[&List],
    may_use: &dyn Fn(&List, &str) -> bool,
) -> Result<Option<String>, Unclear> {
    // As clients decode it: what is no UTF-8 then reads the same for all of them.
    let decoded = String::from_utf8_lossy(text);
    let plain = decoded.strip_prefix('\u{feff}').unwrap_or(&decoded).trim_ascii();
    if plain.is_empty() {
        return Ok(None);
    }
    let cut = Cutter { lists, may_use }.messages(plain)?;
    let is_decoded = matches!(decoded, Cow::Owned(_));
    Ok(cut.or_else(|| is_decoded.then(|| plain.to_owned())))
}

struct Cutter<'a> {
    lists: &'a [&'a List],
    may_use: &'a dyn Fn(&List, &str) -> bool,
}

/// A text as it is to be from now on; `None`: as it was.
type Changed = Result<Option<String>, Unclear>;

impl Cutter<'_> {
    fn messages(&self, text: &str) -> Changed {
        if !text.starts_with('[') {
            return self.message(text);
        }
        let batch: Vec<&RawValue> = read(text)?;
        let cut = batch.iter().map(|message| self.message(message.get())).collect::<Result<Vec<_>, _>>()?;
        if cut.iter().all(Option::is_none) {
            return Ok(None);
        }
        let messages = batch.iter().zip(&cut).map(|(old, new)| new.as_deref().unwrap_or(old.get()));
        Ok(Some(array(messages)))
    }

    fn message(&self, text: &str) -> Changed {
        members(text, |name, value| if is_like(name, "result") { self.result(value) } else { Ok(None) })
    }

    fn result(&self, text: &str) -> Changed {
        members(text, |name, value| match self.lists.iter().find(|list| is_like(name, list.member)) {
            Some(list) => self.list(list, value),
            None => Ok(None),
        })
    }

    fn list(&self, list: &List, text: &str) -> Changed {
        if text.starts_with(['{', '"']) {
            // No list, but some readers make one of it.
            return Ok(Some("[]".into()));
        }
        if !text.starts_with('[') {
            return Ok(None);
        }
        let entries: Vec<&RawValue> = read(text)?;
        let shown: Vec<&str> =
            entries.iter().map(|entry| entry.get()).filter(|entry| self.shows(list, entry)).collect();
        Ok((shown.len() < entries.len()).then(|| array(shown.into_iter())))
    }

    /// Whether an entry has a name and may be used by every name that it has.
    fn shows(&self, list: &List, entry: &str) -> bool {
        let Ok(Members(members)) = read(entry) else { return false };
        let mut names = members.iter().filter(|(name, _)| is_like(name, list.key)).peekable();
        let may_use = |text: &str| read::<String>(text).is_ok_and(|name| (self.may_use)(list, &name));
        names.peek().is_some() && names.all(|(_, value)| may_use(value.get()))
    }
}

/// An object with some of its members changed. What is no object has no members.
fn members<'a>(text: &'a str, mut change: impl FnMut(&str, &'a str) -> Changed) -> Changed {
    if !text.starts_with('{') {
        return read::<&RawValue>(text).map(|_| None);
    }
    let Members(members) = read(text)?;
    let changed =
        members.iter().map(|(name, value)| change(name, value.get())).collect::<Result<Vec<_>, _>>()?;
    if changed.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut object = String::with_capacity(text.len());
    for ((name, old), new) in members.iter().zip(&changed) {
        object.push(if object.is_empty() { '{' } else { ',' });
        object.push_str(&serde_json::to_string(name).map_err(|_| Unclear)?);
        object.push(':');
        object.push_str(new.as_deref().unwrap_or(old.get()));
    }
    object.push('}');
    Ok(Some(object))
}

fn array<'a>(items: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn read<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Unclear> {
    serde_json::from_str(text).map_err(|_| Unclear)
}

/// Whether some reader takes a member for a known one: many do not mind case, and with it Unicode's letters that fold
/// into ASCII ones (Go), some write `resource_templates` (Python).
fn is_like(name: &str, known: &str) -> bool {
    fn folded(name: &str) -> impl Iterator<Item = char> {
        let letters = name.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_uppercase).flat_map(char::to_lowercase)
    }
    name == known || folded(name).eq(folded(known))
}

/// The members of an object in their order, each as often as it stands there, with the text of its value.
struct Members<'de>(Vec<(String, &'de RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests;
