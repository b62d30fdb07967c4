//! `BEARWARD_…` variables put values into the tree: `BEARWARD_GUARDS__0__REALM=x` is `guards[0].realm`.
//!
//! Levels are parted by `__`, list entries are numbers, and names match without regard to case and single
//! underscores: `PUBLIC_URL` and `PUBLICURL` are both `publicUrl`. What a reference such as `{env: …}` names
//! is a secret and no override, whatever it is called.

use std::collections::HashSet;

use super::problem::Problem;
use super::reader::Problems;
use super::tree::{Key, Kind, Node, Place, is_same_name, scalars};

const PREFIX: &str = "BEARWARD_";

/// Names that begin like an override and mean something else.
const OTHERS: [&str; 2] = ["BEARWARD_STATE_KEY", "BEARWARD_LOG"];

/// Sections of a configuration: a name that begins with one was meant to lead there.
const SECTIONS: [&str; 9] =
    ["SERVER", "MCP", "GUARDS", "SECRETS", "DEFAULT", "BROKER", "STATE", "TELEMETRY", "REVOCATION"];

/// Variables that are read under their own names.
const OWN: [&str; 2] = ["MCP_REUSE_AUTHORIZER", "MCP_REUSE_AUTHORIZER_MODE"];

/// Applies every override to the tree, in the order of the variables' names.
pub(crate) fn apply(tree: &mut Node, environment: &[(String, String)], problems: &Problems) {
    let secrets = names_of_secrets(tree, environment);
    let overrides = environment
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .filter(|(name, _)| !OTHERS.contains(&name.as_str()) && !secrets.contains(name));
    let mut overrides: Vec<_> = overrides.collect();
    overrides.sort();
    for (name, value) in overrides {
        let at = Place::Env(name.clone());
        let levels = name.trim_start_matches(PREFIX);
        let path: Vec<&str> = levels.split("__").collect();
        if path.len() == 1 {
            problems.add(lone(&at, name, levels));
        } else if !set(tree, &path, value, &at) {
            let message = format!("environment variable `{name}` leads nowhere in the configuration");
            let help =
                "levels are parted by `__`, lists are numbered from 0, and a list entry must exist already";
            problems.add(Problem::error(&at, message, "", help));
        }
    }
}

/// A name without levels sets nothing: an error when it was clearly meant to, else worth a word.
fn lone(at: &Place, name: &str, levels: &str) -> Problem {
    let meant = SECTIONS.iter().find(|section| levels.starts_with(*section));
    let rest = meant.and_then(|section| levels.strip_prefix(section)).map(|rest| rest.trim_matches('_'));
    if OWN.contains(&levels) {
        let message = format!("environment variable `{name}` is not used");
        return Problem::error(at, message, "", format!("it is called `{levels}`"));
    }
    match (meant, rest) {
        (Some(section), Some(rest)) => {
            let message = format!("environment variable `{name}` names a whole section");
            let example = if rest.is_empty() { "…" } else { rest };
            let help = format!("part the levels with `__`: `{PREFIX}{section}__{example}`");
            Problem::error(at, message, "", help)
        }
        _ => {
            let message = format!("environment variable `{name}` is not used");
            let help = "an override parts its levels with `__`, as in `BEARWARD_SERVER__LISTEN`";
            Problem::warning(at, message, "", help)
        }
    }
}

/// Variables that references read: in the file, or put there by another override.
fn names_of_secrets(tree: &Node, environment: &[(String, String)]) -> HashSet<String> {
    let mut names = HashSet::new();
    scalars(tree, &mut |member, text, _| {
        if member == "env" {
            names.insert(text.to_owned());
        }
    });
    let overrides = environment.iter().filter(|(name, _)| name.starts_with(PREFIX));
    let by_override = overrides.filter(|(name, _)| name.to_ascii_uppercase().ends_with("__ENV"));
    names.extend(by_override.map(|(_, value)| value.clone()));
    names
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
            let known = members.iter().position(|(key, _)| is_same_name(&key.name, first));
            let index = known.unwrap_or_else(|| {
                let key = Key { name: first.to_ascii_lowercase(), at: at.clone() };
                members.push((key, Node { kind: Kind::Nothing, at: at.clone() }));
                members.len() - 1
            });
            members.get_mut(index).is_some_and(|(_, member)| set(member, rest, value, at))
        }
        _ => false,
    }
}
