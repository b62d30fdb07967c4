//! A guard's `metadata`: what its discovery document says beside what it must (RFC 9728 §2).

use bearward_guard::metadata::{Description, Texts};
use bearward_token::Endpoint;

use super::reader::{Section, Text};
use super::tree::Kind;

const LANGUAGES: &str = "write one text, or one by language: `{default: Notes, de: Notizen}`";
const PAGE: &str = "write the https:// URL of a page";

/// What is said, and whether it is signed.
pub(crate) fn read(guard: &Section<'_>) -> (Description, bool) {
    let Some(section) = guard.section("metadata") else { return (Description::default(), false) };
    let details = "name the types that the resource understands, or leave it out";
    let details = section.some_texts("authorizationDetails", details).unwrap_or_default();
    let description = Description {
        name: texts(&section, "name"),
        documentation: pages(&section, "documentation"),
        policy: pages(&section, "policy"),
        terms: pages(&section, "terms"),
        authorization_details: details.into_iter().map(|text| text.text.to_owned()).collect(),
        jwks_uri: None,
    };
    let is_signed = section.flag("signed").unwrap_or(false);
    section.finish();
    (description, is_signed)
}

fn texts(section: &Section<'_>, name: &'static str) -> Texts {
    by_language(section, name).into_iter().map(|(language, text)| (language, text.text.to_owned())).collect()
}

fn pages(section: &Section<'_>, name: &'static str) -> Texts {
    let page = |(language, text): (String, Text<'_>)| {
        section.parse::<Endpoint>(name, text, PAGE)?;
        Some((language, text.text.to_owned()))
    };
    by_language(section, name).into_iter().filter_map(page).collect()
}

/// The empty tag is `default`, or what a single text is.
fn by_language<'a>(section: &Section<'a>, name: &'static str) -> Vec<(String, Text<'a>)> {
    let Some(node) = section.node(name) else { return Vec::new() };
    if !matches!(node.kind, Kind::Map(_)) {
        return section.text(name).map(|text| (String::new(), text)).into_iter().collect();
    }
    let Some(map) = section.section(name) else { return Vec::new() };
    if !map.has("default") {
        map.missing("default", "…");
    }
    let mut found = Vec::new();
    for (tag, node) in map.all() {
        let language = if tag.text == "default" { "" } else { tag.text };
        if !language.is_empty() && !is_language(language) {
            map.error(tag.at, format!("`{language}` is not a language tag"), LANGUAGES);
        }
        found.extend(map.texts_in(tag.text, node).into_iter().map(|text| (language.to_owned(), text)));
    }
    found
}

/// The shape of a tag (BCP 47): `de`, `pt-BR`, `zh-Hant-TW`.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let is_first =
        |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_other =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    parts.next().is_some_and(is_first) && parts.all(is_other)
}
