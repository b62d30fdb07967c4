//! The `guards` section: what is guarded, and by whose tokens it opens.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use bearward_gateway::revision::Revisions;
use bearward_gateway::target::Target;
use bearward_guard::Mode;
use bearward_guard::revision::STATELESS;
use bearward_token::{Endpoint, Origin, Resource, Scope, ScopeSet};

use super::reader::{Section, Text, did_you_mean};
use super::settings::{GrantSettings, GuardSettings, IssuerSettings, ProviderSettings};
use super::tree::Node;
use super::values::{DURATION, MINUTE, Size, Span, allowed_origins};
use super::{description, identity, issuers, limits, rules};

const SIZE: &str = "write a size such as `4MiB`";

/// Reads all of them. `origins` are the whole server's: web pages that may call any guard.
pub(crate) fn read(
    root: &Section<'_>,
    providers: &[ProviderSettings],
    origins: &[String],
) -> Vec<GuardSettings> {
    let mut paths: HashSet<String> = HashSet::new();
    let mut guards = Vec::new();
    for section in root.sections("guards") {
        let guard = guard(&section, providers, origins);
        if let Some(guard) = guard {
            let path = guard.resource.path().trim_end_matches('/').to_owned();
            if !paths.insert(path.clone()) {
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

fn guard(section: &Section<'_>, providers: &[ProviderSettings], origins: &[String]) -> Option<GuardSettings> {
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
    let issuers = read_issuers(section, resource.as_ref());
    let scopes = section.section("scopes").map(|scopes| read_scopes(&scopes)).unwrap_or_default();
    let (pre_provisioned, cache_ttl) = (pre_provisioned(section), cache_ttl(section));
    // All of it is read before anything missing ends the reading: what is not read counts as unknown.
    let mode = mode(section, provider.is_some());
    let (description, signs_metadata) = description::read(section);
    let upstream_url = section.section("upstream").and_then(|upstream| upstream.text("url"));
    let identity = identity::read(section, upstream_url.map(|url| url.text));
    Some(GuardSettings {
        realm: section.text("realm").map_or_else(|| "mcp".into(), |text| text.text.to_owned()),
        provider,
        issuers,
        required_scopes: scopes.0,
        supported_scopes: scopes.1,
        implied_scopes: scopes.2,
        cache_ttl,
        cache_entries: section.parsed("cacheEntries", "write a number such as `100000`").unwrap_or(100_000),
        allowed_origins: [origins, &allowed_origins(section)].concat(),
        revisions: revisions(section),
        max_body: section.parsed::<Size>("maxBody", SIZE).map_or(4 * 1024 * 1024, |size| size.0),
        pre_provisioned,
        description,
        signs_metadata,
        identity,
        policy: rules::read(section),
        limits: limits::read(section),
        mode,
        stream_grace: section
            .parsed::<Span>("streamGrace", DURATION)
            .map_or(Duration::from_secs(30), |span| span.0),
        resource: resource?,
        upstream: upstream?,
    })
}

/// Whose tokens open it. What is not said of their audience is the resource itself.
fn read_issuers(section: &Section<'_>, resource: Option<&Resource>) -> Vec<IssuerSettings> {
    let audience = resource.map(|resource| resource.as_str().to_owned());
    let issuers: Vec<_> = section
        .sections("issuers")
        .into_iter()
        .flat_map(|issuer| issuers::read(&issuer, audience.as_deref()))
        .collect();
    each_once(section, &issuers);
    if section.node("issuers").is_none_or(Node::is_empty_list) {
        section.missing("issuers", "[{issuer: https://idp.example.com}]");
    }
    issuers
}

/// True when tokens are handed out by hand, and nobody is told where to get one.
fn pre_provisioned(section: &Section<'_>) -> bool {
    let pre_provisioned = section.flag("preProvisioned").unwrap_or(false);
    if let Some(text) = section.text("preProvisioned").filter(|_| pre_provisioned) {
        section.warn(
            text.at,
            "this guard publishes no authorization server: clients cannot discover where to get a token",
            "right only when you hand the tokens out yourself; otherwise remove it",
        );
    }
    pre_provisioned
}

/// How long a verified token is remembered.
fn cache_ttl(section: &Section<'_>) -> Duration {
    let cache_ttl = section.parsed::<Span>("cacheTtl", DURATION).map_or(MINUTE, |span| span.0);
    if let Some(text) = section.text("cacheTtl").filter(|_| cache_ttl > MINUTE) {
        section.error(
            text.at,
            "`cacheTtl` is longer than 60 s",
            "write at most `60s`: so long a revoked token may live on",
        );
    }
    cache_ttl
}

/// The second entry of an issuer would never be looked at: the first decides about its tokens.
fn each_once(section: &Section<'_>, issuers: &[IssuerSettings]) {
    let mut seen = HashSet::new();
    for issuer in issuers.iter().filter(|issuer| !seen.insert(issuer.issuer.as_str().to_owned())) {
        let at = section.node("issuers").map_or(section.at(), |node| &node.at);
        let help = "write one entry for it: `introspection` and `jwks` can stand in the same";
        section.error(at, format!("this guard names the issuer `{}` twice", issuer.issuer), help);
    }
}

/// `revision: 2026-07-28` lets nothing older through.
fn revisions(section: &Section<'_>) -> Revisions {
    match section.text("revision") {
        None => Revisions::Any,
        Some(text) if text.text == STATELESS => Revisions::Stateless,
        Some(text) => {
            let help = format!("write `{STATELESS}`: then only POST is let through; or leave it out");
            section.error(text.at, format!("`{}` is not a revision to pin a guard to", text.text), help);
            Revisions::Any
        }
    }
}

/// `off`, `observe`, `enforce`, or a share of callers for whom it enforces: `25%`.
fn mode(section: &Section<'_>, has_provider: bool) -> Mode {
    let Some(text) = section.text("mode") else { return Mode::default() };
    let percent = text.text.strip_suffix('%').and_then(|percent| percent.trim().parse().ok());
    let mode = match (text.text, percent) {
        // To YAML an unquoted `off` is `false`.
        ("off" | "false", _) => Mode::Off,
        ("observe", _) => Mode::OBSERVE,
        ("enforce", _) => Mode::default(),
        (_, Some(percent @ 0..=100)) => Mode::Enforce { percent },
        (other, _) => {
            let help = "write `enforce` (the default), `observe`, `off`, or a share of callers such as `25%`";
            section.error(text.at, format!("`{other}` is not a mode"), help);
            Mode::default()
        }
    };
    if mode != Mode::default() && has_provider {
        let message = "a guard that does not refuse everybody would lend the provider's token to anybody";
        section.error(text.at, message, "use `mode: enforce`, or an upstream without `provider`");
    } else if mode != Mode::default() {
        let message = "this guard lets callers through that it would refuse";
        let help = "right while the server behind still verifies tokens by itself; they are passed on to it";
        section.warn(text.at, message, help);
    }
    mode
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
    let help = match &provider.grant {
        GrantSettings::Session(session) => {
            let origin: Option<Origin> = target.origin().parse().ok();
            let is_allowed = origin.is_some_and(|origin| session.origins.contains(&origin));
            (!is_allowed)
                .then(|| "add it to the provider's `auth.origins`, or use another provider".to_owned())
        }
        _ => {
            let known = provider.url.as_ref().and_then(|url| Target::new(url.as_str()).ok());
            let is_below = known.is_some_and(|known| known.origin() == target.origin());
            let url = provider.url.as_ref().map_or("its URL", Endpoint::as_str);
            (!is_below).then(|| format!("use an upstream below `{url}`, or another provider"))
        }
    };
    if let Some(help) = help {
        let message = format!(
            "the token of provider `{}` would go to another origin than the provider's own",
            provider.name
        );
        section.error(url.at, message, help);
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
        let help = match names.as_slice() {
            [] => "describe it under `mcp.providers`".to_owned(),
            names => did_you_mean(name.text, names)
                .unwrap_or_else(|| format!("known providers: {}", names.join(", "))),
        };
        section.error(name.at, format!("there is no provider named `{}`", name.text), help);
    }
    found
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
