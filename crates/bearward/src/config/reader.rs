//! Takes values out of a tree, one typed question at a time, and remembers everything that was wrong.
//!
//! A [`Section`] knows which of its members were asked for; what is left at its end is an unknown key.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use super::problem::Problem;
use super::tree::{Key, Kind, Node, Place, is_same_name};

/// Collects problems while a configuration is read.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: RefCell<Vec<Problem>>,
    /// References to Vault, with what they are called: something elsewhere must say where that is.
    in_vault: RefCell<Vec<(Place, String)>>,
}

impl Problems {
    /// True when something was found that is more than a warning.
    pub(crate) fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(|problem| !problem.is_warning())
    }

    /// What is read twice is said once.
    pub(crate) fn add(&self, problem: Problem) {
        let mut problems = self.found.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Says of each reference to Vault that nothing tells where that is.
    pub(crate) fn vault_is_missing(&self) {
        for (at, path) in self.in_vault.take() {
            let message = format!("`{path}` is in Vault, and nothing says where that is");
            let help = "add `secrets: {vault: {address: https://vault.example.com:8200, auth: {kubernetes: {role: \
                        bearward}}}}`";
            self.add(Problem::error(&at, message, "here", help));
        }
    }

    pub(crate) fn into_inner(self) -> Vec<Problem> {
        self.found.into_inner()
    }
}

/// A mapping that is being read.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    /// Its path, for messages: `guards[0].issuers[1]`.
    path: String,
    members: Vec<Member<'a>>,
    at: &'a Place,
    problems: &'a Problems,
    /// Names that were asked for, for suggestions.
    known: RefCell<BTreeSet<&'static str>>,
}

#[derive(Debug)]
struct Member<'a> {
    key: &'a Key,
    value: &'a Node,
    is_read: Cell<bool>,
}

/// A text with its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: &'a Place,
}

/// `did you mean …?` when one of the known words is close to what was written.
pub(crate) fn did_you_mean(written: &str, known: &[&str]) -> Option<String> {
    const ALIKE: f64 = 0.8;
    let plain = written.to_ascii_lowercase();
    let likeness = |word: &&str| strsim::jaro_winkler(&word.to_ascii_lowercase(), &plain);
    let nearest = known.iter().map(|word| (likeness(word), *word)).max_by(|a, b| a.0.total_cmp(&b.0));
    nearest.filter(|(likeness, _)| *likeness > ALIKE).map(|(_, word)| format!("did you mean `{word}`?"))
}

impl Member<'_> {
    /// A variable's name has lost its case and may part its words with `_`.
    fn is_named(&self, name: &str) -> bool {
        match self.key.at {
            Place::File { .. } => self.key.name == name,
            Place::Env(_) => is_same_name(&self.key.name, name),
        }
    }
}

impl<'a> Section<'a> {
    /// Reads a node as a mapping. What is none is a problem, and reads as an empty one.
    pub(crate) fn new(path: &str, node: &'a Node, problems: &'a Problems) -> Self {
        let members = match &node.kind {
            Kind::Map(members) => members.as_slice(),
            Kind::Nothing => &[],
            _ => {
                let name = if path.is_empty() { "the configuration" } else { path };
                let message = format!("`{name}` must be a mapping of keys to values");
                problems.add(Problem::error(
                    &node.at,
                    message,
                    "not a mapping",
                    "write `key: value` lines below it",
                ));
                &[]
            }
        };
        let members =
            members.iter().map(|(key, value)| Member { key, value, is_read: Cell::new(false) }).collect();
        Self { path: path.into(), members, at: &node.at, problems, known: RefCell::default() }
    }

    /// Where it stands.
    pub(crate) fn at(&self) -> &'a Place {
        self.at
    }

    /// Its path with a member's name.
    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    /// Adds an error.
    pub(crate) fn error(&self, at: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.problems.add(Problem::error(at, message, "here", help));
    }

    /// Remembers that a member is in Vault.
    pub(crate) fn is_in_vault(&self, at: &Place, name: &str) {
        self.problems.in_vault.borrow_mut().push((at.clone(), self.path_of(name)));
    }

    /// Adds a warning.
    pub(crate) fn warn(&self, at: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.problems.add(Problem::warning(at, message, "here", help));
    }

    /// A member's node, if it is there and not null.
    pub(crate) fn node(&self, name: &'static str) -> Option<&'a Node> {
        self.member(name).map(|member| member.value).filter(|value| !matches!(value.kind, Kind::Nothing))
    }

    /// True when a member is there, be it null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.is_named(name))
    }

    /// True when there is no member of another name.
    pub(crate) fn has_only(&self, names: &[&str]) -> bool {
        self.members.iter().all(|member| names.iter().any(|name| member.is_named(name)))
    }

    fn member(&self, name: &'static str) -> Option<&Member<'a>> {
        self.known.borrow_mut().insert(name);
        let member = self.members.iter().find(|member| member.is_named(name))?;
        member.is_read.set(true);
        Some(member)
    }

    /// A member as a mapping.
    pub(crate) fn section(&self, name: &'static str) -> Option<Section<'a>> {
        self.node(name).map(|node| self.below(name, node))
    }

    /// A node below this section as a mapping.
    pub(crate) fn below<'b>(&self, name: &str, node: &'b Node) -> Section<'b>
    where
        'a: 'b,
    {
        Section::new(&self.path_of(name), node, self.problems)
    }

    /// A member as a list of mappings; absent is empty.
    pub(crate) fn sections(&self, name: &'static str) -> Vec<Section<'a>> {
        let path = self.path_of(name);
        let items = self.node(name).map(|node| self.items(&path, node)).unwrap_or_default();
        let section = |(at, node)| Section::new(&format!("{path}[{at}]"), node, self.problems);
        items.into_iter().enumerate().map(section).collect()
    }

    /// A member as text.
    pub(crate) fn text(&self, name: &'static str) -> Option<Text<'a>> {
        let node = self.node(name)?;
        self.scalar(&self.path_of(name), node)
    }

    /// A member as text that must be there.
    pub(crate) fn required_text(&self, name: &'static str, example: &str) -> Option<Text<'a>> {
        if self.node(name).is_none() {
            self.missing(name, example);
            return None;
        }
        let text = self.text(name)?;
        if text.text.trim().is_empty() {
            self.error(
                text.at,
                format!("`{}` is empty", self.path_of(name)),
                format!("write such as `{example}`"),
            );
            return None;
        }
        Some(text)
    }

    /// A member as text that holds something when it is there.
    pub(crate) fn some_text(&self, name: &'static str, example: &str) -> Option<Text<'a>> {
        self.node(name)?;
        self.required_text(name, example)
    }

    /// Says that a member is missing.
    pub(crate) fn missing(&self, name: &str, example: &str) {
        let message = format!("`{}` is missing", self.path_of(name));
        self.problems.add(Problem::error(self.at, message, "in here", format!("add `{name}: {example}`")));
    }

    /// A member as any type that reads itself from text; the type's own error says what is wrong.
    pub(crate) fn parsed<T>(&self, name: &'static str, help: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(name)?;
        self.parse(name, text, help)
    }

    /// Text that was taken already, as a type.
    pub(crate) fn parse<T>(&self, name: &str, text: Text<'a>, help: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        match text.text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(text.at, format!("`{}`: {error}", self.path_of(name)), help);
                None
            }
        }
    }

    /// A member as a yes or no.
    pub(crate) fn flag(&self, name: &'static str) -> Option<bool> {
        self.parsed(name, "write `true` or `false`")
    }

    /// A member as a list of texts that holds at least one, when it is there.
    pub(crate) fn some_texts(&self, name: &'static str, help: &str) -> Option<Vec<Text<'a>>> {
        let node = self.node(name)?;
        let texts = self.texts_in(name, node);
        if matches!(&node.kind, Kind::List(items) if items.is_empty()) {
            self.error(&node.at, format!("`{}` is empty", self.path_of(name)), help);
        }
        Some(texts)
    }

    /// A member as a list of texts; one text counts as a list of one. A variable lists with commas.
    pub(crate) fn texts(&self, name: &'static str) -> Option<Vec<Text<'a>>> {
        self.node(name).map(|node| self.texts_in(name, node))
    }

    /// The same for a node that [`Section::all`] gave.
    pub(crate) fn texts_in(&self, name: &str, node: &'a Node) -> Vec<Text<'a>> {
        let path = self.path_of(name);
        match &node.kind {
            Kind::List(items) => {
                let text = |(at, item)| self.scalar(&format!("{path}[{at}]"), item);
                items.iter().enumerate().filter_map(text).collect()
            }
            Kind::Scalar(list) if matches!(node.at, Place::Env(_)) => {
                let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
                let texts: Vec<_> = parts.map(|text| Text { text, at: &node.at }).collect();
                if texts.is_empty() {
                    // Often two variables in one, and both unset: nothing named must not come to mean everything.
                    let help = "name at least one, with commas between, or remove the variable";
                    self.error(&node.at, format!("`{path}` is a list of nothing"), help);
                }
                texts
            }
            _ => self.scalar(&path, node).into_iter().collect(),
        }
    }

    /// All members as names and nodes, for mappings whose names are free.
    pub(crate) fn all(&self) -> Vec<(Text<'a>, &'a Node)> {
        let taken = |member: &Member<'a>| {
            member.is_read.set(true);
            (Text { text: &member.key.name, at: &member.key.at }, member.value)
        };
        self.members.iter().map(taken).collect()
    }

    /// Says of a key that it is known and that this version does not do it: left standing it would be a
    /// promise that nobody keeps.
    pub(crate) fn not_yet(&self, name: &'static str, what: &str) {
        if let Some(member) = self.member(name) {
            let message =
                format!("`{}` is known, but this version does not do it yet: {what}", self.path_of(name));
            self.problems.add(Problem::error(&member.key.at, message, "not done yet", "remove it"));
        }
    }

    /// Reports what was not asked for.
    pub(crate) fn finish(&self) {
        for member in self.members.iter().filter(|member| !member.is_read.get()) {
            let known: Vec<_> = self.known.borrow().iter().copied().collect();
            let help = did_you_mean(&member.key.name, &known)
                .unwrap_or_else(|| format!("known here: {}", known.join(", ")));
            let message = format!("unknown key `{}`", self.path_of(&member.key.name));
            self.problems.add(Problem::error(&member.key.at, message, "not a key of Bearward's", help));
        }
    }

    fn items(&self, path: &str, node: &'a Node) -> Vec<&'a Node> {
        match &node.kind {
            Kind::List(items) => items.iter().collect(),
            _ => {
                self.error(&node.at, format!("`{path}` must be a list"), "begin each entry with `- `");
                Vec::new()
            }
        }
    }

    fn scalar(&self, path: &str, node: &'a Node) -> Option<Text<'a>> {
        match &node.kind {
            Kind::Scalar(text) => Some(Text { text, at: &node.at }),
            _ => {
                self.error(
                    &node.at,
                    format!("`{path}` must be a single value"),
                    "write one value behind the colon",
                );
                None
            }
        }
    }
}
