//! A guard's `identity`: what its upstream is told of callers.

use std::time::Duration;

use bearward_gateway::headers::is_taken;
use bearward_gateway::identity::MAX_LIFETIME;
use bearward_guard::ClaimPath;
use http::HeaderName;

use super::reader::{Section, Text};
use super::settings::{AssertionSettings, IdentitySettings};
use super::tree::Node;
use super::values::{DURATION, Span};

const CLAIM: &str = "write a claim's name, or a JSON pointer such as `/realm_access/roles`";
const NAME: &str = "use a name of your own, such as `X-User-Id`";

/// Reads it. `upstream` is the assertion's audience when none is named.
pub(crate) fn read(guard: &Section<'_>, upstream: Option<&str>) -> IdentitySettings {
    let Some(section) = guard.section("identity") else { return IdentitySettings::default() };
    let headers = section.section("headers").map(|headers| read_headers(&headers)).unwrap_or_default();
    let assertion = assertion(&section, upstream);
    section.finish();
    IdentitySettings { headers, assertion }
}

fn read_headers(section: &Section<'_>) -> Vec<(HeaderName, ClaimPath)> {
    let mut headers: Vec<(HeaderName, ClaimPath)> = Vec::new();
    for (name, node) in section.all() {
        let Some(header) = header_name(section, name) else { continue };
        if headers.iter().any(|(other, _)| *other == header) {
            section.error(name.at, format!("two claims would stand in `{header}`"), "name each header once");
            continue;
        }
        if let Some(claim) = claim(section, name, node) {
            headers.push((header, claim));
        }
    }
    headers
}

fn header_name(section: &Section<'_>, name: Text<'_>) -> Option<HeaderName> {
    let is_plain = name.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let header = name.text.parse::<HeaderName>().ok().filter(|_| is_plain);
    let Some(header) = header else {
        let message = format!("`{}` is not a header that every server reads alike", name.text);
        section.error(name.at, message, "write letters, digits and `-`, such as `X-User-Id`");
        return None;
    };
    if is_taken(&header) {
        section.error(name.at, format!("`{}` has a meaning of its own on the way", name.text), NAME);
        return None;
    }
    Some(header)
}

fn claim(section: &Section<'_>, name: Text<'_>, node: &Node) -> Option<ClaimPath> {
    let [claim] = section.texts_in(name.text, node).try_into().ok().or_else(|| {
        section.error(&node.at, format!("`{}` names no single claim", section.path_of(name.text)), CLAIM);
        None
    })?;
    section.parse(name.text, claim, CLAIM)
}

fn assertion(section: &Section<'_>, upstream: Option<&str>) -> Option<AssertionSettings> {
    let is_wanted = section.flag("assertion").unwrap_or(false);
    let audience = section.text("audience").map(|text| text.text).or(upstream);
    let help = "write a duration from `1s` to `60s`, or leave it out";
    let lifetime = section.parsed::<Span>("lifetime", DURATION).map_or(MAX_LIFETIME, |span| span.0);
    if let Some(text) = section.text("lifetime")
        && !(Duration::from_secs(1)..=MAX_LIFETIME).contains(&lifetime)
    {
        section.error(text.at, format!("`{}` is out of bounds", section.path_of("lifetime")), help);
    }
    for name in ["audience", "lifetime"] {
        if let Some(text) = section.text(name).filter(|_| !is_wanted) {
            section.error(
                text.at,
                format!("`{}` belongs to the assertion, and there is none", section.path_of(name)),
                "add `assertion: true`, or remove it",
            );
        }
    }
    is_wanted.then(|| AssertionSettings { audience: audience.unwrap_or_default().to_owned(), lifetime })
}
