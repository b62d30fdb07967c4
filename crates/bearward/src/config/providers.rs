//! The `mcp.providers` section: where tokens go.

use std::collections::HashSet;

use bearward_gateway::provider::TenantFrom;
use bearward_supply::TenantSigner;
use bearward_supply::tenant_headers::is_tenant;
use bearward_token::{ClientSecret, Endpoint, PlaceError};

use super::reader::{Section, Text};
use super::settings::{ProviderSettings, TenantSettings};
use super::values::{client, secret, warn_of_plain_http};

/// Reads all of them.
pub(crate) fn read(root: &Section<'_>) -> Vec<ProviderSettings> {
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
        providers.extend(provider(&section, name));
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

fn provider(section: &Section<'_>, name: Option<Text<'_>>) -> Option<ProviderSettings> {
    let url = section.required_text("url", "https://api.example.com");
    let tenant_headers = section.section("tenantHeaders").and_then(|tenant| {
        let read = tenant_headers(&tenant);
        tenant.finish();
        read
    });
    let Some(auth) = section.section("auth") else {
        section.missing("auth", "{grant: client_credentials, …}");
        return None;
    };
    for later in ["reuseAuthorizer", "reuseAuthorizerMode", "minTTL", "storage"] {
        auth.not_yet(later, "it belongs to reusing the application's login");
    }
    let allow_insecure = auth.flag("allowInsecure").unwrap_or(false);
    let url = url.and_then(|url| destination(section, url, allow_insecure));
    grant(&auth);
    let authority = auth.required_text("authority", "https://idp.example.com");
    let authority = authority.and_then(|text| {
        let issuer: bearward_token::Issuer =
            auth.parse("authority", text, "write the issuer exactly as its metadata says")?;
        if issuer.is_plain_http() {
            warn_of_plain_http(&auth, text, "the authority");
        }
        Some(issuer)
    });
    let client = client(&auth, "my-client");
    let token_endpoint: Option<Endpoint> =
        auth.parsed("tokenEndpoint", "write an https:// URL, or leave it out to have it discovered");
    if let Some(text) =
        auth.text("tokenEndpoint").filter(|_| token_endpoint.as_ref().is_some_and(Endpoint::is_plain_http))
    {
        warn_of_plain_http(&auth, text, "the token endpoint");
    }
    let extra = extra(&auth);
    let audience = auth.text("audience").map(|text| text.text.to_owned());
    let resource = auth.text("resource").map(|text| text.text.to_owned());
    let scopes = auth.texts("scopes").unwrap_or_default();
    let scopes =
        scopes.into_iter().filter_map(|text| auth.parse("scopes", text, "one scope an entry")).collect();
    auth.finish();
    Some(ProviderSettings {
        name: name?.text.to_owned(),
        url: url?,
        authority: authority?,
        token_endpoint,
        client: client?,
        audience,
        resource,
        scopes,
        extra,
        tenant_headers,
    })
}

/// `parameters`: what some server wants beside what the grant says.
fn extra(auth: &Section<'_>) -> Vec<(String, String)> {
    /// What Bearward says itself.
    const OWN: [&str; 11] = [
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "scope",
        "audience",
        "resource",
        "refresh_token",
        "subject_token",
        "actor_token",
    ];
    let Some(map) = auth.section("parameters") else { return Vec::new() };
    let mut extra = Vec::new();
    for (name, node) in map.all() {
        if OWN.contains(&name.text) {
            let help = "use the key of its own: `scopes`, `audience`, `resource`, `clientId` and their like";
            map.error(name.at, format!("`{}` is said by Bearward itself", name.text), help);
        }
        let values = map.texts_in(name.text, node);
        extra.extend(values.into_iter().map(|value| (name.text.to_owned(), value.text.to_owned())));
    }
    extra
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

fn grant(auth: &Section<'_>) {
    let Some(grant) = auth.required_text("grant", "client_credentials") else { return };
    match grant.text {
        "client_credentials" => {}
        "token_exchange" | "session" | "passthrough" | "static" => auth.error(
            grant.at,
            format!("grant `{}` is known, but this version does not have it yet", grant.text),
            "use `client_credentials`",
        ),
        other => auth.error(grant.at, format!("`{other}` is not a grant"), "use `client_credentials`"),
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
