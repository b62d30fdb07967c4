use serde_json::json;

use super::*;

fn is_met(demand: &Demand, claims: &Value) -> bool {
    demand.is_met(&Map::new(), claims.as_object().unwrap())
}

fn org(values: &[&str]) -> Demand {
    Demand::claim("org".parse().unwrap(), values.iter().map(|value| Pattern::new(value)))
}

#[test]
fn a_value_is_met_exactly_and_a_pattern_by_its_wildcards() {
    for (values, claim, expected) in [
        (&["acme"][..], json!("acme"), true),
        (&["acme"], json!("Acme"), false),
        (&["acme"], json!("acme "), false),
        (&["acme", "other"], json!("other"), true),
        (&["*@example.com"], json!("a@example.com"), true),
        (&["*@example.com"], json!("a@example.com.evil"), false),
        (&["AT.*"], json!("ID.x"), false),
        (&["v?"], json!("v1"), true),
        (&["true"], json!(true), true),
        (&["true"], json!("true"), true),
        (&["7"], json!(7), true),
        (&["a"], json!(["x", "a"]), true),
        (&["a"], json!(["x"]), false),
        (&["a"], json!([["a"]]), false),
        (&["*"], json!({"a": 1}), false),
        (&["*"], json!([]), false),
        (&[], json!("a"), false),
    ] {
        assert_eq!(is_met(&org(values), &json!({"org": claim})), expected, "{values:?} {claim}");
    }
}

#[test]
fn an_absent_claim_is_refused_where_it_is_demanded() {
    assert!(!is_met(&org(&["*"]), &json!({})));
    assert!(!is_met(&org(&["*"]), &json!({"org": null})));
    let lenient = Demand { absent: Absent::Fine, ..org(&["acme"]) };
    assert!(is_met(&lenient, &json!({})));
    assert!(!is_met(&lenient, &json!({"org": "other"})));
}

#[test]
fn a_header_member_is_looked_for_in_the_header_alone() {
    let demand = Demand::header_if_any("cat", &["good"]);
    let header = |value: &str| json!({"cat": value}).as_object().unwrap().clone();
    let claims = json!({"cat": "bad"}).as_object().unwrap().clone();
    assert!(demand.is_met(&header("good"), &claims));
    assert!(!demand.is_met(&header("bad"), &claims));
    assert!(demand.is_met(&Map::new(), &claims));
}
