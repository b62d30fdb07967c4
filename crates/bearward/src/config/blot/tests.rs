use super::*;
use crate::config::tree::parse;

const SECRET: &str = "hunter2 rides again";

// HARD 20
#[test]
fn a_secret_is_blotted_out_however_its_key_is_spelt_and_wherever_it_stands() {
    for text in [
        format!("clientSecret: {SECRET}\n"),
        format!("client_secert: '{SECRET}'\n"),
        format!("auth: {{clientSecret: {SECRET}, clientId: shown}}\n"),
        format!("\"Password\": \"{SECRET}\"\n"),
        format!("tokens_key:\n  - {SECRET}\n  - {SECRET}\n"),
        format!("clientSecret:\n  value: {SECRET}\n"),
        format!("clientSecret: |\n  {SECRET}\n  {SECRET}\n"),
        "clientSecret: !hunter2\n".into(),
        "clientSecret: &hunter2 x\n".into(),
        "clientSecret: {hunter2}\n".into(),
        "clientSecret: {env: {hunter2: x}, hunter2: y}\n".into(),
        "clientSecret: [\n  hunter2,\n  hunter2]\n".into(),
        "authorization: \"Bearer hunter2\"\n".into(),
        "url: https://user:hunter2@a.example/\n".into(),
        "url: 'https://a.example/x?key=hunter2'\n".into(),
    ] {
        let tree = parse(&text).unwrap();
        for shown in [without_secrets(&text, Some(&tree)), without_secrets(&text, None)] {
            assert_eq!(shown.len(), text.len(), "{shown}");
            assert!(!shown.contains("hunter2"), "{text} → {shown}");
        }
    }
}

#[test]
fn what_is_no_secret_stays_readable() {
    let text =
        "resource: https://a.example/\nclientSecret: {env: NAME}\nother:\n  clientSecret: {file: /run/x}\n";
    let tree = parse(text).unwrap();
    assert_eq!(without_secrets(text, Some(&tree)), text);
    assert_eq!(without_secrets(text, None), text);
}

// HARD 20
#[test]
fn a_text_that_is_not_yaml_is_blotted_out_as_well() {
    let text = format!("clientSecret: {{value: {SECRET}\nother: [\n");
    assert!(parse(&text).is_err());
    let shown = without_secrets(&text, None);
    assert!(!shown.contains("hunter2") && shown.contains("other: ["), "{shown}");
}

#[test]
fn characters_of_several_bytes_are_blotted_out_whole() {
    let text = "password: pässwörd ✓\nname: ✓\n";
    let tree = parse(text).unwrap();
    let shown = without_secrets(text, Some(&tree));
    assert!(shown.ends_with("name: ✓\n") && !shown.contains("sswörd"), "{shown}");
}
