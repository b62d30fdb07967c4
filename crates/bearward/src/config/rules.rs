//! A guard's `rules`: what single methods, tools, prompts and resources need.

use bearward_guard::{Pattern, Policy, Rule};
use bearward_token::{Scope, ScopeSet};

use super::reader::Section;

const METHODS: &str = "name methods such as `tools/call`, or leave it out: then the rule is for all";
const NAMES: &str = "name tools, prompts or resource URIs, `*` stands for any characters; or leave it out";

/// Reads all of them.
pub(crate) fn read(guard: &Section<'_>) -> Policy {
    Policy::new(guard.sections("rules").iter().map(rule).collect())
}

fn rule(section: &Section<'_>) -> Rule {
    let patterns = |name: &'static str, help: &str| {
        let texts = section.some_texts(name, help).unwrap_or_default();
        texts.into_iter().map(|text| Pattern::new(text.text)).collect()
    };
    let (methods, names) = (patterns("methods", METHODS), patterns("names", NAMES));
    let scopes = section.texts("scopes").unwrap_or_default();
    let scopes: ScopeSet = scopes
        .into_iter()
        .filter_map(|text| section.parse::<Scope>("scopes", text, "one scope an entry"))
        .collect();
    let roles: Vec<String> =
        section.texts("roles").unwrap_or_default().iter().map(|text| text.text.to_owned()).collect();
    if scopes.is_empty() && roles.is_empty() {
        section.error(section.at(), "the rule asks for nothing", "add `scopes: […]` or `roles: […]`");
    }
    section.finish();
    Rule { methods, names, scopes, roles }
}
