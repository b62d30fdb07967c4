//! YAML as a tree that remembers where each part stood, so that an error can point there.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// One value.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) at: Place,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// `null`, or nothing behind the colon.
    Nothing,
    /// Text, number or boolean, as it was written.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in order.
    Map(Vec<(Key, Node)>),
}

impl Node {
    /// True for `[]`.
    pub(crate) fn is_empty_list(&self) -> bool {
        matches!(&self.kind, Kind::List(items) if items.is_empty())
    }
}

/// The name of a member.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) at: Place,
}

/// Where a part comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Bytes of the file.
    File { offset: usize, len: usize },
    /// An environment variable.
    Env(String),
}

impl Place {
    /// For a person, in the text that was read.
    pub(crate) fn in_words(&self, source: &str) -> String {
        match self {
            Self::Env(name) => name.clone(),
            Self::File { offset, .. } => {
                let before = source.get(..*offset).unwrap_or_default();
                format!("line {}", before.matches('\n').count() + 1)
            }
        }
    }
}

/// Reads a document. An empty one is an empty mapping.
pub(crate) fn parse(source: &str) -> Result<Node, serde_saphyr::Error> {
    let mut tree: Node = match serde_saphyr::from_str::<Option<Raw>>(source)? {
        Some(raw) => raw.0,
        None => Node { kind: Kind::Nothing, at: Place::File { offset: 0, len: 0 } },
    };
    restore_numbers(&mut tree, source);
    Ok(tree)
}

/// True for names that differ in case, `_` and `-` alone.
pub(crate) fn is_same_name(a: &str, b: &str) -> bool {
    let letters = |text: &str| text.replace(['_', '-'], "").to_ascii_lowercase();
    letters(a) == letters(b)
}

/// Every single value below a node, itself included, with the name of the member it belongs to.
pub(crate) fn scalars<'a>(node: &'a Node, visit: &mut dyn FnMut(&'a str, &'a str, &'a Place)) {
    scalars_below("", node, visit);
}

fn scalars_below<'a>(name: &'a str, node: &'a Node, visit: &mut dyn FnMut(&'a str, &'a str, &'a Place)) {
    match &node.kind {
        Kind::Nothing => {}
        Kind::Scalar(text) => visit(name, text, &node.at),
        Kind::List(items) => items.iter().for_each(|item| scalars_below(name, item, visit)),
        Kind::Map(members) => members.iter().for_each(|(key, value)| scalars_below(&key.name, value, visit)),
    }
}

/// Bytes of a location; an unknown one points at the file's beginning.
pub(crate) fn place_of(location: &Location) -> Place {
    let span = location.span();
    let byte = |n: Option<u64>| usize::try_from(n.unwrap_or(0)).unwrap_or(0);
    Place::File { offset: byte(span.byte_offset()), len: byte(span.byte_len()) }
}

/// Bytes of an error's location, which may know line and column alone.
pub(crate) fn place_in(source: &str, location: &Location) -> Place {
    if location.span().byte_offset().is_some() {
        return place_of(location);
    }
    let at = |n: u64| usize::try_from(n).unwrap_or(0).saturating_sub(1);
    let line_start: usize = source.split_inclusive('\n').take(at(location.line())).map(str::len).sum();
    let line = source.get(line_start..).unwrap_or("");
    let column = line.char_indices().nth(at(location.column())).map_or(0, |(offset, _)| offset);
    Place::File { offset: line_start + column, len: 1 }
}

/// Numbers come parsed; what was written counts (`1.10` is a version to its author).
fn restore_numbers(node: &mut Node, source: &str) {
    match &mut node.kind {
        Kind::Scalar(text) if text.starts_with(NUMBER) => {
            let Place::File { offset, len } = node.at else { return };
            let written = source.get(offset..offset + len).unwrap_or("").trim();
            *text = if written.is_empty() { text.trim_start_matches(NUMBER).into() } else { written.into() };
        }
        Kind::List(items) => items.iter_mut().for_each(|item| restore_numbers(item, source)),
        Kind::Map(members) => members.iter_mut().for_each(|(_, value)| restore_numbers(value, source)),
        _ => {}
    }
}

/// Marks a scalar that came as a number until [`restore_numbers`] has seen it. No YAML text holds it.
const NUMBER: char = '\u{0}';

struct Raw(Node);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, defined, .. } = Spanned::<RawKind>::deserialize(deserializer)?;
        Ok(Self(Node { kind: value.0, at: place_of(&defined) }))
    }
}

struct RawKind(Kind);

impl<'de> Deserialize<'de> for RawKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor).map(RawKind)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(v.to_string()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(format!("{NUMBER}{v}")))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(format!("{NUMBER}{v}")))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Kind, E> {
        Ok(Kind::Scalar(format!("{NUMBER}{v}")))
    }

    fn visit_str<E>(self, v: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar(v.into()))
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Nothing)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(Raw(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut members = Vec::new();
        while let Some(Spanned { value: name, defined, .. }) = map.next_key::<Spanned<String>>()? {
            let Raw(value) = map.next_value()?;
            members.push((Key { name, at: place_of(&defined) }, value));
        }
        Ok(Kind::Map(members))
    }
}
