use proptest::prelude::*;

use super::*;

#[test]
fn every_way_to_write_a_uri_has_its_normal_form_among_its_spellings() {
    for text in [
        "file:///secret/plan",
        "FILE:///Secret/PLAN",
        "file://localhost/secret/plan",
        "file:///x/../secret/plan",
        "file:///./secret/plan",
        "file:/secret/plan",
        "file:secret/plan",
        "file:\\\\\\secret\\plan",
        "file:///%73ecret/plan",
        "file:///%2573ecret/plan",
        "file:///x/%2e%2e/secret/plan",
        "file:///x%2f..%2fsecret/plan",
    ] {
        assert!(of(text).contains(&"file:///secret/plan".into()), "{text}: {:?}", of(text));
    }
    assert!(of("Notes://H/a/../b").contains(&"notes://h/b".into()));
}

#[test]
fn a_name_is_itself_in_lower_case_and_nothing_else() {
    assert_eq!(of("Delete_Note").as_slice(), ["delete_note"]);
    assert_eq!(of("drop").as_slice(), ["drop"]);
    assert_eq!(of("100%").as_slice(), ["100%"]);
}

#[test]
fn what_is_plain_is_in_lower_case_and_read_in_one_way() {
    for byte in (0..=255).filter(|byte| is_plain(*byte)) {
        let text = char::from(byte).to_string();
        assert!(!may_be_read_otherwise(&text) && text == text.to_lowercase(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_not_looked_into_has_no_other_reading(text in "[ -9;-~]{0,40}") {
        let looked_into = url::Url::parse(&text).is_ok() || text.contains('%');
        prop_assert!(may_be_read_otherwise(&text) || !looked_into);
    }

    #[test]
    fn nothing_panics_and_the_text_itself_is_always_there(text in ".{0,60}") {
        let all = of(&text);
        prop_assert_eq!(&*all[0], text.to_lowercase());
    }
}
