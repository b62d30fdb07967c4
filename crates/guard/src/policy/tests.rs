use super::*;

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::new(text)).collect()
}

fn rule(methods: &[&str], names: &[&str], scopes: &str) -> Rule {
    Rule {
        methods: patterns(methods),
        names: patterns(names),
        scopes: ScopeSet::from_token(scopes),
        roles: Vec::new(),
    }
}

fn call(method: &str, name: &str) -> Call {
    Call { method: Some(method.into()), name: Some(name.into()).filter(|name: &String| !name.is_empty()) }
}

fn policy() -> Policy {
    Policy::new(vec![
        rule(&["tools/call"], &["delete_*", "drop"], "notes:write"),
        rule(&["tools/*"], &[], "tools"),
        rule(&["resources/read"], &["file:///etc/*"], "admin"),
    ])
}

fn needed(calls: &[Call]) -> String {
    policy().needed(calls).scopes.to_string()
}

// SPEC RS-6
#[test]
fn a_call_needs_what_every_rule_that_fits_it_says() {
    for (method, name, scopes) in [
        ("tools/call", "delete_note", "notes:write tools"),
        ("tools/call", "drop", "notes:write tools"),
        ("tools/call", "dropped", "tools"),
        ("tools/call", "Delete_note", "notes:write tools"),
        ("Tools/Call", "drop", "notes:write tools"),
        ("tools/list", "", "tools"),
        ("prompts/get", "delete_x", ""),
        ("resources/read", "file:///etc/passwd", "admin"),
        ("resources/read", "FILE://localhost/tmp/../%65tc/passwd", "admin"),
        ("resources/read", "file:///tmp/x", ""),
        ("ping", "", ""),
    ] {
        assert_eq!(needed(&[call(method, name)]), scopes, "{method} {name}");
    }
    assert_eq!(needed(&[Call { method: None, name: None }]), "", "a response");
}

// SPEC PX-3
#[test]
fn a_batch_needs_what_all_of_its_calls_need() {
    let batch = [call("ping", ""), call("tools/call", "drop"), call("resources/read", "file:///etc/x")];
    assert_eq!(needed(&batch), "admin notes:write tools");
}

#[test]
fn one_role_of_each_list_is_needed() {
    let with = |roles: &[&str]| Rule {
        roles: roles.iter().map(|r| (*r).to_owned()).collect(),
        ..rule(&[], &[], "")
    };
    let policy = Policy::new(vec![with(&["admin", "ops"]), with(&["staff"])]);
    let needed = policy.needed(&[call("ping", "")]);
    let caller = |roles: &[&str]| {
        let mut caller = crate::claims::tests::principal();
        caller.roles = roles.iter().map(|role| (*role).into()).collect();
        caller
    };
    assert!(needed.has_roles(&caller(&["ops", "staff"])));
    assert!(!needed.has_roles(&caller(&["ops"])));
    assert!(!needed.has_roles(&caller(&["Ops", "staff"])));
    assert!(!needed.has_roles(&caller(&[])));
}

#[test]
fn a_rule_is_about_a_method_with_names_or_without() {
    for (rules, is_about) in [
        (vec![], false),
        (vec![rule(&["tools/call"], &[], "x")], true),
        (vec![rule(&["tools/call"], &["drop"], "x")], true),
        (vec![rule(&["*/call"], &["drop"], "x")], true),
        (vec![rule(&[], &["drop"], "x")], true),
        (vec![rule(&[], &[], "x")], true),
        (vec![rule(&["tools/list", "prompts/*"], &[], "x")], false),
    ] {
        assert_eq!(Policy::new(rules.clone()).has_rules_for("tools/call"), is_about, "{rules:?}");
    }
}
