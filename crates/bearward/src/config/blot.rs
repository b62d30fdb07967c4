//! Blots secrets out of a configuration's text before an error shows a piece of it (HARD 20).
//!
//! Byte for byte, so that places still fit. References (`{env: NAME}`) stay readable.

use super::tree::{Kind, Node, Place};

/// What the name of a key ends with, holds, or is like when a secret stands behind it: misspelt names, too.
const ENDINGS: [&str; 2] = ["token", "key"];
const PARTS: [&str; 4] = ["secr", "passw", "pwd", "credential"];
const WHOLE: [&str; 3] = ["secret", "clientsecret", "password"];

/// How like (Jaro-Winkler) a name must be. Hiding one too many only makes an error less clear.
const ALIKE: f64 = 0.9;

/// Members that say where a secret is, not what it is.
const REFERENCES: [&str; 2] = ["env", "file"];

/// The text as an error may show it. `tree` is what was read from it, or `None` for what cannot be read:
/// then every line that looks like a secret's goes, and what may belong to it.
pub(crate) fn without_secrets(source: &str, tree: Option<&Node>) -> String {
    let mut bytes = source.as_bytes().to_vec();
    match tree {
        Some(tree) => blot_tree(tree, false, &mut bytes),
        None => blot_lines(source, &mut bytes),
    }
    // Whole values and line ends alone are blotted, so no character is cut; were one, nothing is shown.
    String::from_utf8(bytes).unwrap_or_else(|bytes| "*".repeat(bytes.as_bytes().len()))
}

fn blot_tree(node: &Node, is_secret: bool, bytes: &mut [u8]) {
    match (&node.kind, &node.at) {
        (Kind::Scalar(_), Place::File { offset, len }) if is_secret => {
            blot(bytes, *offset, offset.saturating_add(*len));
        }
        (Kind::List(items), _) => items.iter().for_each(|item| blot_tree(item, is_secret, bytes)),
        (Kind::Map(members), _) => {
            for (key, value) in members {
                let is_reference = is_secret && REFERENCES.contains(&key.name.as_str());
                blot_tree(value, !is_reference && (is_secret || sounds_secret(&key.name)), bytes);
            }
        }
        _ => {}
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
        let behind = behind.trim_start();
        let is_reference = behind.strip_prefix('{').is_some_and(|inside| {
            REFERENCES
                .iter()
                .any(|name| inside.trim_start().strip_prefix(*name).is_some_and(|rest| rest.starts_with(':')))
        });
        sounds_secret(name) && !is_reference
    });
    secrets.next().map(|at| at + 1)
}

fn sounds_secret(name: &str) -> bool {
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
