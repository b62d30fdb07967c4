//! `BEARWARD_…` variables put values into the tree: `BEARWARD_GUARDS__0__REALM=x` is `guards[0].realm`.
//!
//! Levels are parted by `__`, list entries are numbers, and names match without regard to case and single
//! underscores: `PUBLIC_URL` and `PUBLICURL` are both `publicUrl`.

use super::problem::Problem;
use super::reader::Problems;
use super::tree::{Key, Kind, Node, Place};

const PREFIX: &str = "BEARWARD_";

/// Names that begin like an override and mean something else: what secrets are commonly called.
const OTHERS: [&str; 2] = ["BEARWARD_STATE_KEY", "BEARWARD_LOG"];

/// Applies every override to the tree, in the order of the variables' names.
pub(crate) fn apply(tree: &mut Node, environment: &[(String, String)], problems: &Problems) {
    let overrides =
        environment.iter().filter(|(name, _)| name.starts_with(PREFIX) && !OTHERS.contains(&name.as_str()));
    let mut overrides: Vec<_> = overrides.collect();
    overrides.sort();
    for (name, value) in overrides {
        let path: Vec<&str> = name.trim_start_matches(PREFIX).split("__").collect();
        // A lone level is no key of any section: more likely a secret's own variable.
        if path.len() > 1 && !set(tree, &path, value, &Place::Env(name.clone())) {
            let message = format!("environment variable `{name}` leads nowhere in the configuration");
            let help =
                "levels are parted by `__`, lists are numbered from 0, and a list entry must exist already";
            problems.add(Problem::error(&Place::Env(name.clone()), message, "", help));
        }
    }
}

/// Walks down, making mappings where there is nothing yet; false where the way is blocked.
fn set(node: &mut Node, path: &[&str], value: &str, at: &Place) -> bool {
    let Some((first, rest)) = path.split_first() else {
        *node = Node { kind: Kind::Scalar(value.to_owned()), at: at.clone() };
        return true;
    };
    if matches!(node.kind, Kind::Nothing) {
        node.kind = Kind::Map(Vec::new());
    }
    match &mut node.kind {
        Kind::List(items) => {
            let item = first.parse::<usize>().ok().and_then(|index| items.get_mut(index));
            item.is_some_and(|item| set(item, rest, value, at))
        }
        Kind::Map(members) => {
            let at_index =
                members.iter().position(|(key, _)| is_same(&key.name, first)).unwrap_or_else(|| {
                    let key = Key { name: camel(first), at: at.clone() };
                    members.push((key, Node { kind: Kind::Nothing, at: at.clone() }));
                    members.len() - 1
                });
            members.get_mut(at_index).is_some_and(|(_, member)| set(member, rest, value, at))
        }
        _ => false,
    }
}

fn is_same(key: &str, level: &str) -> bool {
    let plain = |text: &str| text.replace(['_', '-'], "").to_ascii_lowercase();
    plain(key) == plain(level)
}

/// `PUBLIC_URL` → `publicUrl`: for keys that the file does not have yet.
fn camel(level: &str) -> String {
    let mut parts = level.split('_').map(str::to_ascii_lowercase);
    let first = parts.next().unwrap_or_default();
    parts.fold(first, |name, part| {
        let mut letters = part.chars();
        let head = letters.next().map(|c| c.to_ascii_uppercase());
        name + &head.into_iter().chain(letters).collect::<String>()
    })
}
