use super::*;

// SPEC JW-5
#[test]
fn a_duplicate_member_is_refused_at_every_depth_also_when_escaped() {
    for text in [r#"{"a":1,"a":1}"#, r#"{"x":{"a":1,"a":2}}"#, r#"{"x":[{"a":1,"\u0061":2}]}"#] {
        assert!(object(text.as_bytes()).is_err(), "{text}");
    }
}

// SPEC JW-5
#[test]
fn what_is_not_one_object_is_refused() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for text in ["", "[]", "1", "null", "{}{}", "{} x", "{\"a\":1e999}", "\u{feff}{}", deep.as_str()] {
        assert!(object(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn an_object_is_read_as_serde_json_reads_it() {
    let text = r#"{"s":"x","n":-1,"f":1.5,"b":true,"z":null,"l":[1,{"k":2}]}"#;
    assert_eq!(Value::Object(object(text.as_bytes()).unwrap()), serde_json::from_str::<Value>(text).unwrap());
}
