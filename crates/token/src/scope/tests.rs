use super::*;

#[test]
fn order_and_repetition_do_not_matter_but_case_does() {
    assert_eq!(ScopeSet::from_token("b a b"), ScopeSet::from_token("a b"));
    assert_ne!(ScopeSet::from_token("A"), ScopeSet::from_token("a"));
    assert_eq!(ScopeSet::from_token("b a").to_string(), "a b");
}

#[test]
fn what_is_not_a_scope_grants_nothing_in_a_token_and_is_an_error_in_a_configuration() {
    assert_eq!(ScopeSet::from_token("ok sch\u{f6}n \"q\""), ScopeSet::from_token("ok"));
    assert!("ok \"q\"".parse::<ScopeSet>().is_err());
    assert!("".parse::<Scope>().is_err());
}

#[test]
fn a_set_covers_its_subsets_alone() {
    let held = ScopeSet::from_token("mcp notes:write");
    assert!(held.covers(&ScopeSet::from_token("mcp")));
    assert!(held.covers(&ScopeSet::default()));
    assert!(!held.covers(&ScopeSet::from_token("mcp notes:delete")));
}
