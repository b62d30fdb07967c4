//! Blots secrets out of a configuration's text before an error shows a piece of it (HARD 20).
//!
//! Byte for byte, so that places still fit. References (`{env: NAME}`) stay readable.

use super::tree::{Key, Kind, Node, Place};

/// What the name of a key ends with, holds, or is like when a secret stands behind it: misspelt names, too.
const ENDINGS: [&str; 2] = ["token", "key"];
const PARTS: [&str; 6] = ["secr", "passw", "pwd", "credential", "authorization", "bearer"];
const WHOLE: [&str; 4] = ["secret", "clientsecret", "password", "identitykeys"];

/// How like (Jaro-Winkler) a name must be. Hiding one too many only makes an error less clear.
const ALIKE: f64 = 0.9;

/// Members that say where a secret is, not what it is, and those that go with them.
const REFERENCES: [&str; 4] = ["env", "file", "vault", "aws"];
const DETAILS: [&str; 3] = ["mount", "field", "stage"];

/// The section that says where stores of secrets are: what is secret in it is named so itself.
const SECTION: &str = "secrets";

/// The text as an error may show it. `tree` is what was read from it, or `None` for what cannot be read:
/// then every line that looks like a secret's goes, and what may belong to it.
pub(crate) fn without_secrets(source: &str, tree: Option<&Node>) -> String {
    let mut bytes = source.as_bytes().to_vec();
    match tree {
        Some(tree) => blot_root(tree, source, &mut bytes),
        None => blot_lines(source, &mut bytes),
    }
    blot_urls(source, &mut bytes);
    // Whole values and line ends alone are blotted, so no character is cut; were one, nothing is shown.
    String::from_utf8(bytes).unwrap_or_else(|bytes| "*".repeat(bytes.as_bytes().len()))
}

fn blot_root(root: &Node, source: &str, bytes: &mut [u8]) {
    let Kind::Map(members) = &root.kind else { return blot_tree(root, source, bytes) };
    let is_section = |key: &Key, value: &Node| key.name == SECTION && matches!(value.kind, Kind::Map(_));
    for (key, value) in members {
        match is_section(key, value) {
            true => blot_tree(value, source, bytes),
            false => blot_member_or_below(key, value, source, bytes),
        }
    }
}

fn blot_tree(node: &Node, source: &str, bytes: &mut [u8]) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| blot_tree(item, source, bytes)),
        Kind::Map(members) => {
            for (key, value) in members {
                blot_member_or_below(key, value, source, bytes);
            }
        }
        _ => {}
    }
}

fn blot_member_or_below(key: &Key, value: &Node, source: &str, bytes: &mut [u8]) {
    if !sounds_secret(&key.name) {
        blot_tree(value, source, bytes);
    } else if !is_reference(value) {
        blot_member(&key.at, value, source, bytes);
    }
}

/// From behind the key to the end of the line in which its value ends: tags and comments go as well.
fn blot_member(key: &Place, value: &Node, source: &str, bytes: &mut [u8]) {
    let Place::File { offset, len } = *key else { return };
    let from = offset.saturating_add(len);
    let last = end_of(value).max(from);
    let to = source.get(last..).and_then(|rest| rest.find('\n')).map_or(source.len(), |at| last + at);
    let colon = source.get(from..to).and_then(|rest| rest.find(':')).map_or(from, |at| from + at + 1);
    blot(bytes, colon, to);
}

fn end_of(node: &Node) -> usize {
    let own = match node.at {
        Place::File { offset, len } => offset.saturating_add(len),
        Place::Env(_) => 0,
    };
    let below = match &node.kind {
        Kind::List(items) => items.iter().map(end_of).max(),
        Kind::Map(members) => members.iter().map(|(_, value)| end_of(value)).max(),
        _ => None,
    };
    // The place of a block scalar may be its first line only; its text says how long it is at least.
    let text = match &node.kind {
        Kind::Scalar(text) => own.max(match node.at {
            Place::File { offset, .. } => offset.saturating_add(text.len()),
            Place::Env(_) => 0,
        }),
        _ => own,
    };
    text.max(below.unwrap_or(0))
}

fn is_reference(node: &Node) -> bool {
    let Kind::Map(members) = &node.kind else { return false };
    let is_known = |name: &str| REFERENCES.contains(&name) || DETAILS.contains(&name);
    let is_scalar = |node: &Node| matches!(node.kind, Kind::Scalar(_) | Kind::Nothing);
    members.iter().any(|(key, _)| REFERENCES.contains(&key.name.as_str()))
        && members.iter().all(|(key, value)| is_known(&key.name) && is_scalar(value))
}

/// What stands before the `@` and behind the `?` of a URL, wherever it is.
fn blot_urls(source: &str, bytes: &mut [u8]) {
    for (at, _) in source.match_indices("://") {
        let begin = at + 3;
        let rest = source.get(begin..).unwrap_or("");
        let url = rest.split(|c: char| c.is_whitespace() || "\"',}]".contains(c)).next().unwrap_or("");
        let authority = url.split('/').next().unwrap_or("");
        if let Some(end) = authority.rfind('@') {
            blot(bytes, begin, begin + end);
        }
        if let Some(query) = url.find('?') {
            blot(bytes, begin + query + 1, begin + url.len());
        }
    }
}

/// Without a tree: from behind such a key to the end of its line, and the lines indented below it.
fn blot_lines(source: &str, bytes: &mut [u8]) {
    let mut start = 0;
    let mut hidden_below = None;
    for line in source.split_inclusive('\n') {
        let end = start + line.len();
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        if hidden_below.is_some_and(|column| indent > column || line.trim().is_empty()) {
            blot(bytes, start, end);
        } else {
            let secret = secret_in(line);
            if let Some(behind_colon) = secret {
                blot(bytes, start + behind_colon, end);
            }
            hidden_below = secret.map(|_| indent);
        }
        start = end;
    }
}

/// Where the first secret of a line begins, behind its colon.
fn secret_in(line: &str) -> Option<usize> {
    let colons = line.match_indices(':').map(|(at, _)| at);
    let mut secrets = colons.filter(|at| {
        let (before, behind) = (line.get(..*at).unwrap_or(""), line.get(at + 1..).unwrap_or(""));
        let name = before.rsplit(['{', ',', ' ']).next().unwrap_or("").trim_matches(['"', '\'']);
        let is_reference = names_a_place(behind.trim());
        sounds_secret(name) && !is_reference
    });
    secrets.next().map(|at| at + 1)
}

/// Exactly `{env: NAME}` or its like, and nothing behind that could be something else.
fn names_a_place(text: &str) -> bool {
    let inside = text.strip_prefix('{').and_then(|inside| inside.split_once('}'));
    let Some((name, place)) = inside.and_then(|(inside, _)| inside.split_once(':')) else { return false };
    REFERENCES.contains(&name.trim()) && !place.contains([':', ',', '{'])
}

/// Whether a value under this name may be a secret.
pub(crate) fn sounds_secret(name: &str) -> bool {
    let name = name.replace(['_', '-'], "").to_ascii_lowercase();
    let is_like = |word: &&str| strsim::jaro_winkler(word, &name) > ALIKE;
    WHOLE.iter().any(is_like)
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
        || PARTS.iter().any(|part| name.contains(part))
}

fn blot(bytes: &mut [u8], from: usize, to: usize) {
    let Some(part) = bytes.get_mut(from..to) else { return };
    for byte in part.iter_mut().filter(|byte| !matches!(**byte, b' ' | b'\n' | b'\r')) {
        *byte = b'*';
    }
}

#[cfg(test)]
mod tests;
