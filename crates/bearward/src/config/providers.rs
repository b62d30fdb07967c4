//! The `mcp.providers` section: where tokens go.

use std::collections::HashSet;

use bearward_client::Levels;
use bearward_gateway::provider::TenantFrom;
use bearward_supply::TenantSigner;
use bearward_supply::tenant_headers::is_tenant;
use bearward_token::{ClientSecret, Endpoint, PlaceError};

use super::defaults::Defaults;
use super::explain::{Where, explain};
use super::keeping::Keeping;
use super::reader::{Section, Text};
use super::settings::{BrokerSettings, GrantSettings, ProviderSettings, TenantSettings};
use super::tree::Place;
use super::values::secret;
use super::{grants, session};

const EXAMPLE: &str = "https://api.example.com";

/// What providers share.
pub(crate) struct Shared<'a> {
    /// What holds where they say nothing.
    pub(crate) defaults: Defaults,
    /// What command line and environment say of reuse.
    pub(crate) above: Levels,
    /// Where users sign in.
    pub(crate) broker: Option<&'a BrokerSettings>,
    /// Says where something stands.
    pub(crate) places: &'a dyn Fn(&Place) -> String,
}

/// Reads all of them.
pub(crate) fn read(root: &Section<'_>, shared: &Shared<'_>) -> Vec<ProviderSettings> {
    let Some(mcp) = root.section("mcp") else { return Vec::new() };
    let mut names = HashSet::new();
    let mut providers = Vec::new();
    for section in mcp.sections("providers") {
        let name = name(&section);
        if let Some(name) = name.filter(|name| !names.insert(name.text.to_owned())) {
            section.error(
                name.at,
                format!("there are two providers named `{}`", name.text),
                "give each its own name",
            );
        }
        providers.extend(provider(root, &section, name, shared));
        section.finish();
    }
    mcp.finish();
    providers
}

/// A name is a path segment at the egress listener and a label in metrics.
fn name<'a>(section: &Section<'a>) -> Option<Text<'a>> {
    let name = section.required_text("name", "notes-api")?;
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let begins = name.text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !begins || !name.text.bytes().all(fits) || name.text.len() > 64 {
        let message = format!("`{}` cannot be a provider's name", name.text);
        section.error(name.at, message, "use lower-case letters, digits, `-` and `_`, at most 64");
    }
    Some(name)
}

fn provider(
    root: &Section<'_>,
    section: &Section<'_>,
    name: Option<Text<'_>>,
    shared: &Shared<'_>,
) -> Option<ProviderSettings> {
    let tenant_headers = section.section("tenantHeaders").and_then(|tenant| {
        let read = tenant_headers(&tenant);
        tenant.finish();
        read
    });
    let Some(auth) = section.section("auth") else {
        section.missing("auth", "{grant: client_credentials, …}");
        return None;
    };
    let allow_insecure = auth.flag("allowInsecure").unwrap_or(false);
    let url = section.some_text("url", EXAMPLE).map(|url| destination(section, url, allow_insecure));
    let Shared { defaults, above, broker, .. } = shared;
    let around = session::Around { broker: *broker, above: *above, global: defaults.reuse };
    let grant = grants::read(&auth, url.as_ref().and_then(Option::as_ref), &around);
    if url.is_none() && !matches!(grant, None | Some(GrantSettings::Session(_))) {
        section.missing("url", EXAMPLE);
    }
    let keeping = Keeping::read(&auth).or(defaults.keeping);
    let min_ttl = match grant {
        Some(GrantSettings::Session(_)) => keeping.min_ttl_of_sessions(),
        _ => keeping.min_ttl(),
    };
    let prefetch = auth.flag("prefetch").unwrap_or(true);
    let hands_out = auth.flag("handOut").unwrap_or(false);
    auth.finish();
    // One that could not be read has been said to be wrong.
    let url = match url {
        Some(url) => Some(url?),
        None => None,
    };
    let settings = ProviderSettings {
        name: name?.text.to_owned(),
        url,
        grant: grant?,
        prefetch,
        storage: keeping.storage(),
        min_ttl,
        hands_out,
        tenant_headers,
        explained: Vec::new(),
    };
    let explained = explain(&settings, &Where { root, section, auth: &auth, places: shared.places });
    Some(ProviderSettings { explained, ..settings })
}

/// A token leaves over plain HTTP to loopback alone, and only where that was asked for.
fn destination(section: &Section<'_>, url: Text<'_>, allow_insecure: bool) -> Option<Endpoint> {
    match url.text.parse::<Endpoint>() {
        Ok(endpoint) if endpoint.is_plain_http() && !allow_insecure => {
            let message = format!("a token would leave for `{endpoint}` over plain HTTP");
            section.error(
                url.at,
                message,
                "use https://, or add `allowInsecure: true` under `auth` for this machine's own loopback",
            );
            None
        }
        Ok(endpoint) if endpoint.as_str().contains('?') => {
            section.error(url.at, format!("`{endpoint}` has a query"), "write the base URL alone");
            None
        }
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            let help = match error {
                PlaceError::PlainHttp { .. } => "use https://; `allowInsecure` is for loopback alone",
                _ => "write a base URL such as `https://api.example.com/v1`",
            };
            section.error(url.at, format!("`{}`: {error}", section.path_of("url")), help);
            None
        }
    }
}

fn tenant_headers(section: &Section<'_>) -> Option<TenantSettings> {
    let prefix = section.required_text("prefix", "X-TB")?;
    // The name alone is judged here; the key comes later.
    if let Err(error) = TenantSigner::new(prefix.text, &ClientSecret::new("")) {
        section.error(
            prefix.at,
            format!("`{}`: {error}", section.path_of("prefix")),
            "write a prefix such as `X-TB`",
        );
    }
    let secret = secret(section, "secret")?;
    let tenant = match (section.text("claim"), section.text("constant")) {
        (Some(claim), None) => TenantFrom::Claim(claim.text.to_owned()),
        (None, Some(constant)) => {
            if !is_tenant(constant.text) {
                let help = "write 1 to 256 visible ASCII characters, without spaces";
                section.error(constant.at, "`tenantHeaders.constant` cannot stand in a header", help);
            }
            TenantFrom::Constant(constant.text.to_owned())
        }
        _ => {
            let message = "`tenantHeaders` must say where the tenant comes from, once";
            section.error(
                section.at(),
                message,
                "add `claim: org_id` (a verified claim), or `constant: acme`",
            );
            return None;
        }
    };
    Some(TenantSettings { prefix: prefix.text.to_owned(), secret, tenant })
}
