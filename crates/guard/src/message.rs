//! What a JSON-RPC body asks for, read so that no other reader can find something else in it (SPEC PX-3).
//!
//! Two JSON parsers can read two different calls out of one body: by a member that stands twice, or by one that
//! differs in case, which some parsers do not mind. Where policy hangs on it, such a body is refused.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::{SmallVec, smallvec};

/// Most calls in one batch.
const MAX_BATCH: usize = 100;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method; `None` for a response.
    pub method: Option<String>,
    /// What the method is applied to: a tool's or prompt's name, a resource's URI.
    pub name: Option<String>,
}

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not JSON, or not a JSON-RPC message or batch.
    #[error("the body is no JSON-RPC message")]
    NotJsonRpc,
    /// It could be read in two ways.
    #[error("a member of the body stands twice or in an odd spelling, or names nothing")]
    Ambiguous,
}

/// Reads a message, or a batch of them (revision 2025-03-26).
///
/// # Errors
/// As [`MessageError`] says.
pub fn read(body: &[u8]) -> Result<Vec<Call>, MessageError> {
    // Once for all of it, not for each text in it.
    let body = std::str::from_utf8(body).map_err(|_| MessageError::NotJsonRpc)?;
    let messages: Messages = serde_json::from_str(body).map_err(|error| match error.is_data() {
        true => MessageError::Ambiguous,
        false => MessageError::NotJsonRpc,
    })?;
    messages.0.into_iter().map(Message::into_call).collect()
}

/// Hardly ever more than one.
struct Messages(SmallVec<[Message; 1]>);

/// A member's name, borrowed where nothing in it is escaped.
struct Name<'a>(Cow<'a, str>);

#[derive(Default)]
struct Message {
    method: Option<String>,
    params: Params,
}

/// The members of `params`, and of the `ref` in it, that name something.
#[derive(Default)]
struct Params {
    name: Option<Text>,
    uri: Option<Text>,
    reference: Option<Box<Params>>,
}

/// A text, or something else that a lenient server might take for one.
enum Text {
    Is(String),
    IsNot,
}

impl Message {
    fn into_call(self) -> Result<Call, MessageError> {
        let Params { name, uri, reference } = self.params;
        let named = match self.method.as_deref() {
            Some("tools/call" | "prompts/get") => Some(name),
            Some("resources/read" | "resources/subscribe" | "resources/unsubscribe") => Some(uri),
            Some("completion/complete") => Some(reference.and_then(|inner| inner.name.or(inner.uri))),
            _ => None,
        };
        let name = match named {
            None => None,
            Some(Some(Text::Is(name))) => Some(name),
            Some(_) => return Err(MessageError::Ambiguous),
        };
        if [&self.method, &name].into_iter().flatten().any(|text| is_padded(text)) {
            return Err(MessageError::Ambiguous);
        }
        Ok(Call { method: self.method, name })
    }
}

/// Refuses names that a lenient parser would take for another: known ones in another case, and all that is not ASCII,
/// since Unicode folds some letters into ASCII ones.
fn is_misspelt(name: &str, known: &[&str]) -> bool {
    let is_odd = !name.is_ascii() || name.bytes().any(|byte| byte <= b' ' || byte == 0x7f);
    is_odd || known.iter().any(|known| name.eq_ignore_ascii_case(known) && name != *known)
}

/// What some servers would strip before they look for the name.
fn is_padded(text: &str) -> bool {
    match text.is_ascii() {
        true => {
            text.bytes().any(|byte| byte.is_ascii_control()) || text.starts_with(' ') || text.ends_with(' ')
        }
        false => text.trim() != text || text.chars().any(char::is_control),
    }
}

/// Puts a value where none stands yet.
fn once<E: serde::de::Error, T>(place: &mut Option<T>, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("a member stands twice")),
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MessagesVisitor)
    }
}

struct MessagesVisitor;

impl<'de> Visitor<'de> for MessagesVisitor {
    type Value = Messages;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message or a batch of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Messages, A::Error> {
        let mut messages = SmallVec::new();
        while let Some(message) = seq.next_element()? {
            messages.push(message);
            if messages.len() > MAX_BATCH {
                return Err(A::Error::custom("too many messages in one batch"));
            }
        }
        if messages.is_empty() { Err(A::Error::custom("an empty batch")) } else { Ok(Messages(messages)) }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Messages, A::Error> {
        MessageVisitor.visit_map(map).map(|message| Messages(smallvec![message]))
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MessageVisitor)
    }
}

struct MessageVisitor;

impl<'de> Visitor<'de> for MessageVisitor {
    type Value = Message;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Message, A::Error> {
        let (mut method, mut params) = (None, None);
        while let Some(name) = map.next_key::<Name<'_>>()? {
            match &*name.0 {
                "method" => once(&mut method, map.next_value::<String>()?)?,
                "params" => once(&mut params, map.next_value::<Params>()?)?,
                "jsonrpc" | "id" => {
                    map.next_value::<IgnoredAny>()?;
                }
                name if is_misspelt(name, &["method", "params", "jsonrpc", "id"]) => {
                    return Err(A::Error::custom("a misspelt member"));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Message { method, params: params.unwrap_or_default() })
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParamsVisitor)
    }
}

struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the parameters of a method")
    }

    fn visit_unit<E>(self) -> Result<Params, E> {
        Ok(Params::default())
    }

    // By position: no method of MCP takes its parameters so, and nothing in them is named.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Params, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Params::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
        let mut params = Params::default();
        while let Some(name) = map.next_key::<Name<'_>>()? {
            match &*name.0 {
                "name" => once(&mut params.name, map.next_value()?)?,
                "uri" => once(&mut params.uri, map.next_value()?)?,
                "ref" => once(&mut params.reference, map.next_value()?)?,
                name if is_misspelt(name, &["name", "uri", "ref"]) => {
                    return Err(A::Error::custom("a misspelt member"));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(params)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or anything else")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Is(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text::IsNot)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
        Ok(Text::IsNot)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
        Ok(Text::IsNot)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
        Ok(Text::IsNot)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
        Ok(Text::IsNot)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::IsNot)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::IsNot)
    }
}

#[cfg(test)]
mod tests;
