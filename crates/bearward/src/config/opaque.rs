//! How an issuer is asked about its opaque tokens.

use bearward_guard::introspection::CLERK_KINDS;
use bearward_guard::{Expectations, Preset};
use bearward_token::Endpoint;

use super::reader::Section;
use super::settings::{AskBy, OpaqueSettings};
use super::values::{client, secret, warn_of_plain_http};

const CLERK_API: &str = "https://api.clerk.com/v1";

/// Reads it; `None` when no opaque token of the issuer is accepted. `is_wanted`: whether the configuration says that
/// there are such tokens, if it says anything.
pub(crate) fn read(
    section: &Section<'_>,
    preset: Preset,
    is_wanted: Option<bool>,
    expected: &mut Expectations,
) -> Option<OpaqueSettings> {
    if preset == Preset::Clerk && section.has("secretKey") && is_wanted != Some(false) {
        return clerk(section, expected);
    }
    let introspection = section.section("introspection")?;
    let settings = introspect(&introspection);
    if introspection.flag("withoutAudience").unwrap_or(false) {
        without_audience(&introspection, "withoutAudience", expected);
    }
    introspection.finish();
    settings
}

fn introspect(section: &Section<'_>) -> Option<OpaqueSettings> {
    let endpoint =
        endpoint(section, "endpoint", "write an https:// URL, or leave it out to have it discovered");
    let client = client(section, "mcp-guard", false);
    let help = "write what the tokens begin with, such as `oat_`, or leave it out: then all that are no JWTs are asked about";
    let prefixes = section.some_texts("prefixes", help).unwrap_or_default();
    let prefixes = prefixes.into_iter().map(|text| text.text.to_owned()).collect();
    Some(OpaqueSettings { by: AskBy::Introspection { endpoint, client: client? }, prefixes })
}

/// Its tokens name no audience: whose they are is all there is to tell them by.
fn clerk(section: &Section<'_>, expected: &mut Expectations) -> Option<OpaqueSettings> {
    let api = clerk_api(section);
    let secret = secret(section, "secretKey");
    without_audience(section, "secretKey", expected);
    let prefixes = CLERK_KINDS.map(|(prefix, ..)| prefix.to_owned()).to_vec();
    Some(OpaqueSettings { by: AskBy::Clerk { api: api?, secret_key: secret? }, prefixes })
}

/// Where Clerk's backend API is.
pub(crate) fn clerk_api(section: &Section<'_>) -> Option<Endpoint> {
    endpoint(section, "backendApi", "write the base URL of Clerk's backend API, or leave it out")
        .or_else(|| CLERK_API.parse().ok())
}

fn without_audience(section: &Section<'_>, name: &'static str, expected: &mut Expectations) {
    expected.may_lack_audience = true;
    if expected.authorized_parties.is_empty() {
        let at = section.node(name).map_or(section.at(), |node| &node.at);
        let message = "opaque tokens without an audience would be accepted whatever they were issued for";
        let help =
            "name the clients whose tokens open this guard: `authorizedParties: [client_…]` of the issuer";
        section.error(at, message, help);
    }
}

fn endpoint(section: &Section<'_>, name: &'static str, help: &str) -> Option<Endpoint> {
    let text = section.text(name)?;
    let endpoint: Endpoint = section.parse(name, text, help)?;
    if endpoint.is_plain_http() {
        warn_of_plain_http(section, text, "the endpoint");
    }
    Some(endpoint)
}
