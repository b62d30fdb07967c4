//! Forms that people write a configuration in, beside the one that the reference shows.
//!
//! A list of sections instead of a mapping (`- default: …`, `- mcp: …`), and `providers` beside `mcp` instead of below it:
//! what one copies out of a list of bullets.

use super::problem::Problem;
use super::reader::Problems;
use super::tree::{Key, Kind, Node};

/// Makes one mapping of it.
pub(crate) fn gather(tree: &mut Node, problems: &Problems) {
    if let Kind::List(items) = &mut tree.kind
        && items.iter().all(|item| matches!(item.kind, Kind::Map(_)))
    {
        let mut members = Vec::new();
        for item in std::mem::take(items) {
            if let Kind::Map(more) = item.kind {
                more.into_iter().for_each(|member| add(&mut members, member, problems));
            }
        }
        tree.kind = Kind::Map(members);
    }
    let Kind::Map(members) = &mut tree.kind else { return };
    put_below_mcp(members, problems);
}

fn add(members: &mut Vec<(Key, Node)>, (key, node): (Key, Node), problems: &Problems) {
    if members.iter().any(|(known, _)| known.name == key.name) {
        let message = format!("`{}` stands here for the second time", key.name);
        problems.add(Problem::error(&key.at, message, "here", "write it once"));
    } else {
        members.push((key, node));
    }
}

fn put_below_mcp(members: &mut Vec<(Key, Node)>, problems: &Problems) {
    let Some(at) = members.iter().position(|(key, _)| key.name == "providers") else { return };
    let is_empty = |node: &Node| matches!(node.kind, Kind::Nothing);
    if members.iter().any(|(key, node)| key.name == "mcp" && !is_empty(node)) {
        // Said to be unknown where it stands: below `mcp` there are others, or should be.
        return;
    }
    let (key, node) = members.remove(at);
    let message = "`providers` stands beside `mcp`, and is read as if it stood below it";
    problems.add(Problem::warning(&key.at, message, "here", "indent it below `mcp:`"));
    members.retain(|(key, _)| key.name != "mcp");
    let below = Node { at: node.at.clone(), kind: Kind::Map(vec![(key.clone(), node)]) };
    members.push((Key { name: "mcp".into(), at: key.at }, below));
}
