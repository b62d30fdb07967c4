//! The `guards` section: what is guarded, and by whose tokens it opens.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bearward_gateway::target::Target;
use bearward_guard::Expectations;
use bearward_guard::keys::{Algorithm, algorithm_named};
use bearward_token::{Issuer, Resource, Scope, ScopeSet};

use super::reader::{Section, Text};
use super::settings::{GuardSettings, IssuerSettings, KeysFrom, ProviderSettings};
use super::values::{Size, Span};

const DURATION: &str = "write a duration such as `30s`";
const SIZE: &str = "write a size such as `4MiB`";
const MINUTE: Duration = Duration::from_secs(60);

/// Reads all of them.
pub(crate) fn read(root: &Section<'_>, providers: &[ProviderSettings]) -> Vec<GuardSettings> {
    let mut paths: HashMap<String, ()> = HashMap::new();
    let mut guards = Vec::new();
    for section in root.sections("guards") {
        let guard = guard(&section, providers);
        if let Some(guard) = guard {
            let path = guard.resource.path().trim_end_matches('/').to_owned();
            if paths.insert(path.clone(), ()).is_some() {
                let at = section.text("resource").map_or(section.at(), |text| text.at);
                let message = format!("two guards have the path `{path}`");
                section.error(at, message, "give each resource a path of its own: they share one listener");
            }
            guards.push(guard);
        }
        section.finish();
    }
    guards
}

fn guard(section: &Section<'_>, providers: &[ProviderSettings]) -> Option<GuardSettings> {
    for (later, what) in [
        ("rules", "it does not judge methods and tools; use `scopes.required`"),
        ("limits", "it does not limit callers"),
        ("mode", "every guard enforces"),
    ] {
        section.not_yet(later, what);
    }
    let resource = section.required_text("resource", "https://mcp.example.com/mcp");
    let resource: Option<Resource> = resource.and_then(|text| {
        section.parse(
            "resource",
            text,
            "write the URL that callers use, such as `https://mcp.example.com/mcp`",
        )
    });
    let upstream = section.section("upstream");
    if upstream.is_none() {
        section.missing("upstream", "{url: http://127.0.0.1:3000/mcp}");
    }
    let (upstream, provider) =
        upstream.map(|upstream| read_upstream(&upstream, providers)).unwrap_or_default();
    let audience = resource.as_ref().map(|resource| resource.as_str().to_owned());
    let issuers: Vec<_> = section
        .sections("issuers")
        .into_iter()
        .filter_map(|issuer| read_issuer(&issuer, audience.as_deref()))
        .collect();
    if section.node("issuers").is_none() {
        section.missing("issuers", "[{issuer: https://idp.example.com}]");
    }
    let scopes = section.section("scopes").map(|scopes| read_scopes(&scopes)).unwrap_or_default();
    let pre_provisioned = section.flag("preProvisioned").unwrap_or(false);
    if let Some(text) = section.text("preProvisioned").filter(|_| pre_provisioned) {
        section.warn(
            text.at,
            "this guard publishes no authorization server: clients cannot discover where to get a token",
            "right only when you hand the tokens out yourself; otherwise remove it",
        );
    }
    let cache_ttl = section.parsed::<Span>("cacheTtl", DURATION).map_or(MINUTE, |span| span.0);
    if let Some(text) = section.text("cacheTtl").filter(|_| cache_ttl > MINUTE) {
        section.error(
            text.at,
            "`cacheTtl` is longer than 60 s",
            "write at most `60s`: so long a revoked token may live on",
        );
    }
    let resource = resource?;
    Some(GuardSettings {
        realm: section.text("realm").map_or_else(|| "mcp".into(), |text| text.text.to_owned()),
        resource,
        upstream: upstream?,
        provider,
        issuers,
        required_scopes: scopes.0,
        supported_scopes: scopes.1,
        implied_scopes: scopes.2,
        cache_ttl,
        cache_entries: section.parsed("cacheEntries", "write a number such as `100000`").unwrap_or(100_000),
        allowed_origins: section
            .texts("allowedOrigins")
            .unwrap_or_default()
            .into_iter()
            .filter_map(|text| origin(section, text))
            .collect(),
        max_body: section.parsed::<Size>("maxBody", SIZE).map_or(4 * 1024 * 1024, |size| size.0),
        max_header: section.parsed::<Size>("maxHeader", SIZE).map_or(64 * 1024, |size| size.0.max(8192)),
        pre_provisioned,
        stream_grace: section
            .parsed::<Span>("streamGrace", DURATION)
            .map_or(Duration::from_secs(30), |span| span.0),
    })
}

fn read_upstream(section: &Section<'_>, providers: &[ProviderSettings]) -> (Option<Target>, Option<String>) {
    let url = section.required_text("url", "http://127.0.0.1:3000/mcp");
    let target = url.and_then(|url| match Target::new(url.text) {
        Ok(target) => Some((url, target)),
        Err(error) => {
            section.error(
                url.at,
                format!("`{}`: {error}", section.path_of("url")),
                "write a URL such as `http://127.0.0.1:3000/mcp`",
            );
            None
        }
    });
    let provider = section.text("provider").and_then(|name| provider_named(section, name, providers));
    if let (Some((url, target)), Some(provider)) = (&target, &provider) {
        check_token_path(section, *url, target, provider);
    }
    section.finish();
    (target.map(|(_, target)| target), provider.map(|provider| provider.name.clone()))
}

/// A provider's token goes to the upstream of a guard that names it: to no other origin than the provider's.
fn check_token_path(section: &Section<'_>, url: Text<'_>, target: &Target, provider: &ProviderSettings) {
    let known = Target::new(provider.url.as_str()).map(|known| known.origin());
    if known.as_ref() != Ok(&target.origin()) {
        let message = format!(
            "the token of provider `{}` would go to another origin than the provider's own",
            provider.name
        );
        section.error(
            url.at,
            message,
            format!("use an upstream below `{}`, or another provider", provider.url),
        );
    }
}

fn provider_named<'p>(
    section: &Section<'_>,
    name: Text<'_>,
    providers: &'p [ProviderSettings],
) -> Option<&'p ProviderSettings> {
    let found = providers.iter().find(|provider| provider.name == name.text);
    if found.is_none() {
        let names: Vec<_> = providers.iter().map(|provider| provider.name.as_str()).collect();
        let help = if names.is_empty() {
            "describe it under `mcp.providers`".to_owned()
        } else {
            format!("known providers: {}", names.join(", "))
        };
        section.error(name.at, format!("there is no provider named `{}`", name.text), help);
    }
    found
}

fn read_issuer(section: &Section<'_>, resource: Option<&str>) -> Option<IssuerSettings> {
    let text = section.required_text("issuer", "https://idp.example.com")?;
    let issuer: Option<Issuer> =
        section.parse("issuer", text, "write the issuer exactly as its tokens say it, slash included");
    if issuer.as_ref().is_some_and(Issuer::is_plain_http) {
        section.warn(
            text.at,
            "the issuer is reached by plain HTTP",
            "fine on one machine; use https:// elsewhere",
        );
    }
    if let Some(preset) = section.text("preset").filter(|preset| preset.text != "oidc") {
        let known = ["clerk", "auth0", "keycloak", "entra", "okta"].contains(&preset.text);
        let message = match known {
            true => format!("preset `{}` is known, but this version does not have it yet", preset.text),
            false => format!("`{}` is not a preset", preset.text),
        };
        section.error(preset.at, message, "use `oidc` or leave it out");
    }
    for later in ["introspection", "requiredClaims", "authorizedParties"] {
        section.not_yet(later, "it verifies JWTs by signature, issuer, audience, time and scopes");
    }
    let audiences =
        section.texts("audience").map(|list| list.iter().map(|text| text.text.to_owned()).collect());
    let audiences: Vec<String> =
        audiences.unwrap_or_else(|| resource.map(str::to_owned).into_iter().collect());
    let strict = Expectations::for_audiences(audiences);
    let skew = section.parsed::<Span>("clockSkew", DURATION).map_or(strict.skew, |span| span.0);
    if let Some(text) = section.text("clockSkew").filter(|_| skew > MINUTE) {
        section.error(text.at, "`clockSkew` is longer than 60 s", "write at most `60s`, and mend the clock");
    }
    let token_types = section
        .texts("tokenTypes")
        .map(|list| list.iter().map(|text| text.text.to_owned()).collect::<Vec<_>>());
    let (algorithms, keys) = (algorithms(section), keys(section));
    let tenant_claim = section.text("tenantClaim").map_or(strict.tenant_claim, |text| text.text.to_owned());
    section.finish();
    Some(IssuerSettings {
        issuer: issuer?,
        algorithms,
        keys,
        clock_skew: skew,
        token_types: token_types.unwrap_or(strict.types),
        tenant_claim,
        audiences: strict.audiences,
    })
}

/// Public-key algorithms alone; a guard that would take HMAC could be fooled with the public key.
fn algorithms(section: &Section<'_>) -> Vec<Algorithm> {
    let Some(names) = section.texts("algorithms") else {
        return vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
    };
    let read = |text: Text<'_>| {
        let algorithm = algorithm_named(text.text);
        if algorithm.is_none() {
            let message = format!("`{}` is not an algorithm for tokens of an issuer", text.text);
            section.error(
                text.at,
                message,
                "use RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA",
            );
        }
        algorithm
    };
    names.into_iter().filter_map(read).collect()
}

fn keys(section: &Section<'_>) -> KeysFrom {
    let Some(jwks) = section.section("jwks") else { return KeysFrom::Discovery };
    let keys = match (jwks.text("url"), jwks.text("file")) {
        (Some(url), None) => {
            jwks.parse("url", url, "write an https:// URL").map_or(KeysFrom::Discovery, KeysFrom::Url)
        }
        (None, Some(file)) => KeysFrom::File(file.text.into()),
        _ => {
            jwks.error(
                jwks.at(),
                "`jwks` must name exactly one place",
                "write `{url: …}` or `{file: …}`, or leave it out",
            );
            KeysFrom::Discovery
        }
    };
    jwks.finish();
    keys
}

fn read_scopes(section: &Section<'_>) -> (ScopeSet, ScopeSet, BTreeMap<Scope, ScopeSet>) {
    let list = |name: &'static str| -> ScopeSet {
        let texts = section.texts(name).unwrap_or_default();
        texts
            .into_iter()
            .filter_map(|text| section.parse::<Scope>(name, text, "one scope an entry"))
            .collect()
    };
    let (required, supported) = (list("required"), list("supported"));
    let mut implied = BTreeMap::new();
    if let Some(map) = section.section("implied") {
        for (broad, node) in map.all() {
            let Some(scope) = map.parse::<Scope>(broad.text, broad, "a scope") else { continue };
            let narrow = map.texts_in(broad.text, node).into_iter();
            let narrow = narrow
                .filter_map(|text| map.parse::<Scope>(broad.text, text, "one scope an entry"))
                .collect();
            implied.insert(scope, narrow);
        }
    }
    section.finish();
    (required, supported, implied)
}

/// An origin as browsers write it: no path, no slash behind.
fn origin(section: &Section<'_>, text: Text<'_>) -> Option<String> {
    let is_origin = text.text.parse::<Resource>().is_ok_and(|resource| resource.path().is_empty());
    if !is_origin {
        let message = format!("`{}` is not an origin", text.text);
        section.error(
            text.at,
            message,
            "write it as browsers do: `https://app.example.com`, without a path or slash",
        );
    }
    is_origin.then(|| text.text.to_owned())
}
