//! What an issuer's tokens must say: the vendor's preset, and what the configuration adds to it.

use bearward_guard::{ClaimPath, Demand, Expectations, Pattern, Preset};

use super::reader::{Section, Text};
use super::values::{DURATION, MINUTE, Span};

const PLACE: &str = "write a claim's name, or a JSON pointer such as `/realm_access/roles`";

/// Reads it. `resource` is the audience when none is named (RFC 8707 §2).
pub(crate) fn read(section: &Section<'_>, preset: Preset, resource: Option<&str>) -> Expectations {
    let audiences =
        section.some_texts("audience", "name at least one, or leave it out: then it is the resource");
    let audiences = audiences.map_or_else(|| resource.map(str::to_owned).into_iter().collect(), owned);
    let mut expected = preset.expectations(audiences);
    expected.skew = section.parsed::<Span>("clockSkew", DURATION).map_or(expected.skew, |span| span.0);
    if let Some(text) = section.text("clockSkew").filter(|_| expected.skew > MINUTE) {
        section.error(text.at, "`clockSkew` is longer than 60 s", "write at most `60s`, and mend the clock");
    }
    if let Some(types) =
        section.some_texts("tokenTypes", "name at least one, such as `at+jwt`, or leave it out")
    {
        expected.types = owned(types);
        expected.may_lack_type = false;
    }
    let parties = "name the clients that may act, or leave it out: then any may";
    expected.authorized_parties =
        section.some_texts("authorizedParties", parties).map_or_else(Vec::new, owned);
    let subjects = "name the subjects that may come in, or leave it out: then all may";
    expected.subjects = section.some_texts("allowedSubjects", subjects).map_or_else(Vec::new, owned);
    for (name, places) in [
        ("tenantClaim", &mut expected.tenants),
        ("clientClaim", &mut expected.clients),
        ("scopeClaims", &mut expected.scopes),
        ("roleClaims", &mut expected.roles),
    ] {
        if let Some(texts) = section.some_texts(name, PLACE) {
            *places = texts.into_iter().filter_map(|text| section.parse(name, text, PLACE)).collect();
        }
    }
    expected.demands.extend(required_claims(section));
    template(section, preset, &mut expected);
    expected
}

/// `requiredClaims: {org_id: acme, email: "*@example.com", roles: [admin, ops]}`.
fn required_claims(section: &Section<'_>) -> Vec<Demand> {
    let Some(map) = section.section("requiredClaims") else { return Vec::new() };
    let demand = |name: Text<'_>, node| {
        let path: ClaimPath = map.parse(name.text, name, PLACE)?;
        let values = map.texts_in(name.text, node);
        if values.is_empty() {
            let message = format!("no value of `{}` would be accepted", name.text);
            map.error(
                name.at,
                message,
                "write the value that it must have, or a list of them; `*` stands for any",
            );
        }
        Some(Demand::claim(path, values.into_iter().map(|value| Pattern::new(value.text))))
    };
    map.all().into_iter().filter_map(|(name, node)| demand(name, node)).collect()
}

fn template(section: &Section<'_>, preset: Preset, expected: &mut Expectations) {
    let Some(template) = section.text("template") else { return };
    if preset == Preset::Clerk {
        expected.demand_clerk_template(template.text);
    } else {
        section.error(template.at, "`template` is for `preset: clerk`", "remove it, or use `requiredClaims`");
    }
}

fn owned(list: Vec<Text<'_>>) -> Vec<String> {
    list.into_iter().map(|text| text.text.to_owned()).collect()
}
