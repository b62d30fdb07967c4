use proptest::prelude::*;

use super::*;
use crate::listing::LISTS;

/// A caller that may use everything whose name does not begin with `x`.
fn seen(text: &[u8]) -> Result<Option<String>, Unclear> {
    let lists: Vec<&List> = LISTS.iter().collect();
    cut(text, &lists, &|_, name| !name.starts_with('x'))
}

#[test]
fn what_may_not_be_used_is_cut_out_and_the_rest_stays_as_it_was_written() {
    for (text, expected) in [
        (
            r#"{"id": 1, "result": {"tools": [{"name":"a", "max": 1e400}, {"name":"x"}], "z":1.0, "a":123456789012345678901}}"#,
            r#"{"id":1,"result":{"tools":[{"name":"a", "max": 1e400}],"z":1.0,"a":123456789012345678901}}"#,
        ),
        (r#"{"result":{"prompts":[{"name":"x"}]}}"#, r#"{"result":{"prompts":[]}}"#),
        (r#"{"result":{"resources":[{"uri":"x","name":"a"}]}}"#, r#"{"result":{"resources":[]}}"#),
        (
            r#"{"result":{"resourceTemplates":[{"uriTemplate":"x"}]}}"#,
            r#"{"result":{"resourceTemplates":[]}}"#,
        ),
        (r#"[{"id":1}, {"result":{"tools":[{"name":"x"}]}}, 7]"#, r#"[{"id":1},{"result":{"tools":[]}},7]"#),
        (r#"{"result":{"tools":[{"name":"\u0078"}]}}"#, r#"{"result":{"tools":[]}}"#),
        ("\u{feff}{\"result\":{\"tools\":[{\"name\":\"x\"}]}}", r#"{"result":{"tools":[]}}"#),
    ] {
        assert_eq!(seen(text.as_bytes()), Ok(Some(expected.into())), "{text}");
    }
}

#[test]
fn an_entry_without_a_clear_name_is_not_shown() {
    for entry in [
        "{}",
        r#""a""#,
        "null",
        r#"["a"]"#,
        r#"{"name":null}"#,
        r#"{"name":["a"]}"#,
        r#"{"name":"\ud800"}"#,
        r#"{"title":"a"}"#,
        r#"{"name":"a","name":"x"}"#,
        r#"{"name":"x","name":"a"}"#,
        r#"{"name":"a","Name":"x"}"#,
        r#"{"NAME":"x","name":"a"}"#,
        r#"{"n\u0061me":"x"}"#,
    ] {
        let text = format!(r#"{{"result":{{"tools":[{entry},{{"name":"b"}}]}}}}"#);
        let expected = r#"{"result":{"tools":[{"name":"b"}]}}"#.to_owned();
        assert_eq!(seen(text.as_bytes()), Ok(Some(expected)), "{entry}");
    }
}

// SPEC PX-3
#[test]
fn a_message_that_could_be_read_in_two_ways_shows_nothing_more_in_either() {
    let list = r#"[{"name":"x"},{"name":"a"}]"#;
    for text in [
        format!(r#"{{"result":{{"tools":{list}}},"result":{{}}}}"#),
        format!(r#"{{"result":{{}},"result":{{"tools":{list}}}}}"#),
        format!(r#"{{"result":{{"tools":{list},"tools":[]}}}}"#),
        format!(r#"{{"result":{{"tools":null,"tools":{list}}}}}"#),
        format!(r#"{{"result":{{"Tools":{list}}}}}"#),
        format!(r#"{{"result":{{"too\u006cs":{list}}}}}"#),
        format!(r#"{{"result":{{"toolſ":{list}}}}}"#),
        format!(r#"{{"Result":{{"tools":{list}}}}}"#),
        format!(r#"{{"re\u0073ult":{{"TOOLS":{list}}}}}"#),
        r#"{"result":{"resource_templates":[{"uri_template":"x"}]}}"#.to_owned(),
        r#"{"result":{"tools":{"0":{"name":"x"}}}}"#.to_owned(),
        r#"{"result":{"tools":"[{\"name\":\"x\"}]"}}"#.to_owned(),
    ] {
        let shown = seen(text.as_bytes()).unwrap().unwrap();
        assert!(!shown.contains('x'), "{text} became {shown}");
    }
}

#[test]
fn what_holds_no_list_stays_as_it_is() {
    for text in [
        "",
        " \n",
        "\u{feff}",
        "1",
        "[]",
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"x"}}"#,
        r#"{"method":"notifications/tools/list_changed","params":{"tools":[{"name":"x"}]}}"#,
        r#"{"result":{"capabilities":{"tools":{"listChanged":true}}}}"#,
        r#"{"result":{"structuredContent":{"tools":[{"name":"x"}]}}}"#,
        r#"{"result":{"tools":null}}"#,
        r#"{"result":{"tools":[{"name":"a"},{"name":"a","name":"b"}]}}"#,
        r#"{"result":{"content":[{"text":"\ud800"}]}}"#,
        r#"{"result":"tools"}"#,
    ] {
        assert_eq!(seen(text.as_bytes()), Ok(None), "{text}");
    }
}

#[test]
fn what_is_no_json_text_is_unclear() {
    for text in ["{", "{}x", "{}{}", "x", r#"{"result":NaN}"#, r#"{"result":{"a":1,}}"#, "{'result':1}"] {
        assert_eq!(seen(text.as_bytes()), Err(Unclear), "{text}");
    }
    let wide: Vec<u8> = r#"{"result":{"tools":[]}}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(seen(&wide), Err(Unclear), "UTF-16");
}

#[test]
fn what_is_no_utf_8_is_written_as_every_reader_would_decode_it() {
    let shown = seen(b"{\"result\":{\"tools\":[{\"name\":\"x\xff\"},{\"name\":\"a\"}]},\"y\":\"\xff\"}");
    assert_eq!(shown, Ok(Some("{\"result\":{\"tools\":[{\"name\":\"a\"}]},\"y\":\"\u{fffd}\"}".into())));
    assert_eq!(seen(b"{\"y\":\"\xff\"}"), Ok(Some("{\"y\":\"\u{fffd}\"}".into())));
}

#[test]
fn deep_nesting_does_no_harm() {
    let deep = format!(r#"{{"result":{{"a":{}{}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(seen(deep.as_bytes()), Ok(None));
}

proptest! {
    // Whatever comes out holds no name that may not be used, for a reader that takes the last of two members.
    #[test]
    fn no_mutation_of_a_list_shows_more(
        names in prop::collection::vec("[ax][a-z]{0,3}", 0..6),
        at in 0usize..200,
        byte in any::<u8>(),
    ) {
        let entries: Vec<String> = names.iter().map(|name| format!(r#"{{"name":"{name}"}}"#)).collect();
        let mut text = format!(r#"{{"id":1,"result":{{"tools":[{}]}}}}"#, entries.join(",")).into_bytes();
        if let Some(place) = text.get_mut(at) {
            *place = byte;
        }
        if let Ok(shown) = seen(&text) {
            let shown = shown.map_or(text, String::into_bytes);
            let read: serde_json::Value = serde_json::from_slice(&shown).unwrap_or_default();
            for tool in read["result"]["tools"].as_array().into_iter().flatten() {
                // Without a `name`, as where its case was changed, this reader is shown none.
                prop_assert!(!tool["name"].as_str().unwrap_or_default().starts_with('x'));
            }
        }
    }
}
