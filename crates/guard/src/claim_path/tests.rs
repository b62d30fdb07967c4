use serde_json::json;

use super::*;

fn find(path: &str) -> Option<Value> {
    let claims = json!({
        "org_id": "acme",
        "https://example.com/roles": ["a"],
        "realm_access": {"roles": ["x", "y"], "a/b": 1, "~": 2},
        "nothing": null,
    });
    path.parse::<ClaimPath>().unwrap().find(claims.as_object().unwrap()).cloned()
}

#[test]
fn a_name_is_one_member_and_a_pointer_goes_deeper() {
    for (path, found) in [
        ("org_id", Some(json!("acme"))),
        ("https://example.com/roles", Some(json!(["a"]))),
        ("/org_id", Some(json!("acme"))),
        ("/realm_access/roles", Some(json!(["x", "y"]))),
        ("/realm_access/roles/1", Some(json!("y"))),
        ("/realm_access/a~1b", Some(json!(1))),
        ("/realm_access/~0", Some(json!(2))),
        ("realm_access.roles", None),
        ("/realm_access/roles/2", None),
        ("/realm_access/roles/x", None),
        ("/org_id/x", None),
        ("nothing", None),
        ("ORG_ID", None),
    ] {
        assert_eq!(find(path), found, "{path}");
    }
}

#[test]
fn what_names_no_claim_is_an_error() {
    for text in ["", "/", "//x", "/x/", "/a~2", "/a~"] {
        assert!(text.parse::<ClaimPath>().is_err(), "{text}");
    }
}
