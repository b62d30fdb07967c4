use super::*;

fn set(list: &str) -> ScopeSet {
    list.parse().unwrap()
}

// SPEC RS-6
#[test]
fn a_missing_scope_names_every_scope_needed_at_once() {
    let policy = ScopePolicy::new(set("mcp notes:read"), ScopeSet::default(), BTreeMap::new());
    assert_eq!(policy.missing(&set("mcp notes:read extra")), None);
    assert_eq!(policy.missing(&set("mcp")), Some(set("mcp notes:read")));
    assert_eq!(policy.missing(&ScopeSet::default()), Some(set("mcp notes:read")));
}

// SPEC RS-6
#[test]
fn a_broader_scope_includes_narrower_ones_also_in_circles() {
    let implied = [("admin", "write"), ("write", "read"), ("read", "admin")];
    let implied = implied.into_iter().map(|(broad, narrow)| (broad.parse().unwrap(), set(narrow))).collect();
    let policy = ScopePolicy::new(set("read"), ScopeSet::default(), implied);
    assert_eq!(policy.missing(&set("admin")), None);
    assert_eq!(policy.missing(&set("other")), Some(set("read")));
}
