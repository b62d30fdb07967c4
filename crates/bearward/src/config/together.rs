//! What is right by itself and wrong together, or leads nowhere.

use std::collections::HashSet;

use bearward_gateway::headers::Reserved;
use bearward_gateway::provider::TenantFrom;
use bearward_store::Kept;

use super::reader::Section;
use super::sessions;
use super::settings::{GrantSettings, GuardSettings, ListenAddress, ProviderSettings, Settings};
use super::tree::Place;

/// Looks at everything once it has been read without an error.
pub(crate) fn check(root: &Section<'_>, settings: &Settings) {
    for (section, guard) in root.sections("guards").iter().zip(&settings.guards) {
        opaque_tokens_are_told_apart(section, guard);
        identity_is_not_the_tenant(section, guard, &settings.providers);
        addresses_are_told_apart(section, guard, settings);
    }
    logins_are_told_apart(root, &settings.providers);
    sessions::check_broker(root, settings);
    let sections = root.section("mcp").map(|mcp| mcp.sections("providers")).unwrap_or_default();
    for (section, provider) in sections.iter().zip(&settings.providers) {
        let is_behind_a_guard =
            settings.guards.iter().any(|guard| guard.provider.as_deref() == Some(provider.name.as_str()));
        is_used(section, provider, settings, is_behind_a_guard);
        has_a_tenant(section, provider, settings.server.egress.is_some(), is_behind_a_guard);
        has_a_caller(section, provider, settings.server.egress.is_some(), is_behind_a_guard);
        is_kept_somewhere(section, provider, settings);
        is_handed_out_for_something(section, provider, settings);
        goes_where_it_was_issued_for(section, provider, &settings.guards);
        sessions::check_provider(section, provider, settings, is_behind_a_guard);
    }
}

/// A refresh token that two spend ends the login of both.
fn logins_are_told_apart(root: &Section<'_>, providers: &[ProviderSettings]) {
    let given = |provider: &ProviderSettings| match &provider.grant {
        GrantSettings::RefreshToken { given, .. } => Some(given.clone()),
        _ => None,
    };
    let sections = root.section("mcp").map(|mcp| mcp.sections("providers")).unwrap_or_default();
    for (at, (section, provider)) in sections.iter().zip(providers).enumerate() {
        let Some(token) = given(provider) else { continue };
        if providers.iter().take(at).any(|earlier| given(earlier).as_ref() == Some(&token)) {
            let message = "two providers begin with the same refresh token, and each would spend it";
            section.error(auth_at(section), message, "give each a login of its own");
        }
    }
}

/// Where a provider's `auth` stands.
pub(super) fn auth_at<'a>(section: &Section<'a>) -> &'a Place {
    section.node("auth").map_or(section.at(), |node| &node.at)
}

/// Calls through the sidecar have no caller whose own token could be had.
fn has_a_caller(
    section: &Section<'_>,
    provider: &ProviderSettings,
    has_egress: bool,
    is_behind_a_guard: bool,
) {
    // A session comes along with the request itself.
    let has_its_own = matches!(provider.grant, GrantSettings::Session(_));
    if provider.grant.has_shared() || has_its_own || (!has_egress && is_behind_a_guard) {
        return;
    }
    let message = "calls through the sidecar have no caller, and this provider's token is its caller's own";
    if is_behind_a_guard {
        section.warn(auth_at(section), message, "they are refused; calls through the guard are not");
    } else {
        section.error(auth_at(section), message, "name the provider in a guard, or use another grant");
    }
}

/// What is to outlive the process needs a place to.
fn is_kept_somewhere(section: &Section<'_>, provider: &ProviderSettings, settings: &Settings) {
    let storage = provider.storage;
    let is_login = matches!(provider.grant, GrantSettings::RefreshToken { .. });
    let is_fetched = provider.grant.has_shared() && !matches!(provider.grant, GrantSettings::Static { .. });
    let kept = [(storage.access, is_fetched), (storage.refresh, is_login)];
    let is_sealed = kept.contains(&(Kept::Encrypted, true));
    if is_sealed && settings.state.is_none() {
        let help = "add `state: {backend: file, path: ./state, key: {env: BEARWARD_STATE_KEY}}` with a key from \
                    `bearward keygen`, or use storage `keychain` or `memory`";
        let message = "storage `encrypted` needs a folder and a key, and there is no `state.path`";
        section.error(auth_at(section), message, help);
    }
    if is_login && storage.refresh == Kept::Memory {
        let message = "a refresh token that is spent is replaced, and the next one is lost with the process";
        section.warn(
            auth_at(section),
            message,
            "use storage `{refresh: encrypted}`, so that the login goes on",
        );
    }
}

/// Whoever takes a token in hand must know what it is for.
fn is_handed_out_for_something(section: &Section<'_>, provider: &ProviderSettings, settings: &Settings) {
    if !provider.hands_out {
        return;
    }
    if provider.audience().is_none() || !provider.grant.has_shared() {
        let message = "`handOut` is for a token that all share, and that is for one `audience` or `resource`";
        section.error(auth_at(section), message, "name its `audience` or `resource`, or remove `handOut`");
    }
    if let Some(ListenAddress::Tcp(address)) = &settings.server.egress
        && !address.ip().is_loopback()
    {
        let message = "`handOut` would give the token to every machine that can reach the sidecar";
        section.error(auth_at(section), message, "let `server.egress` be a unix socket or on loopback");
    }
    if settings.server.egress.is_none() {
        let message = "`handOut` needs the sidecar, whose `GET /token/…` hands the token out";
        section.error(auth_at(section), message, "open it: `server.egress: unix:/run/bearward.sock`");
    }
    if settings.providers.iter().any(|provider| provider.name == "token") {
        let message = "a provider named `token` stands in the way of `GET /token/…`, which `handOut` opens";
        section.error(section.at(), message, "give that provider another name");
    }
}

/// The one law: a token that came in goes only to the very resource that it was issued for.
fn goes_where_it_was_issued_for(
    section: &Section<'_>,
    provider: &ProviderSettings,
    guards: &[GuardSettings],
) {
    let GrantSettings::Passthrough { resource } = &provider.grant else { return };
    for guard in guards.iter().filter(|guard| guard.provider.as_deref() == Some(provider.name.as_str())) {
        let audiences = guard.issuers.iter().flat_map(|issuer| &issuer.expectations.audiences);
        if !audiences.into_iter().any(|audience| audience == resource) {
            let message = format!(
                "the tokens that open `{}` are issued for another resource than `{resource}`",
                guard.resource
            );
            let help = "a token that came in goes nowhere else: use grant `token_exchange`";
            section.error(auth_at(section), message, help);
        }
    }
}

/// A token must not be sent to an issuer that it is not of.
fn opaque_tokens_are_told_apart(section: &Section<'_>, guard: &GuardSettings) {
    let mut seen = HashSet::new();
    for opaque in guard.issuers.iter().filter_map(|issuer| issuer.opaque.as_ref()) {
        let any_prefix = [String::new()];
        let prefixes = if opaque.prefixes.is_empty() { any_prefix.to_vec() } else { opaque.prefixes.clone() };
        for prefix in prefixes {
            if seen.insert(prefix.clone()) {
                continue;
            }
            let message = match prefix.as_str() {
                "" => "two issuers would be asked about any opaque token".to_owned(),
                prefix => format!("two issuers would be asked about tokens that begin with `{prefix}`"),
            };
            let at = section.node("issuers").map_or(section.at(), |node| &node.at);
            let help = "tell their tokens apart by `introspection.prefixes`: none must reach another issuer";
            section.error(at, message, help);
        }
    }
}

/// Behind a proxy every request comes from the proxy, unless it is believed about who came to it.
fn addresses_are_told_apart(section: &Section<'_>, guard: &GuardSettings, settings: &Settings) {
    let server = &settings.server;
    if guard.limits.failures_per_address.is_none() || !server.trusted_proxies.is_empty() {
        return;
    }
    if server.listen.ip().is_loopback() && guard.resource.as_str().starts_with("https://") {
        let at = section.node("limits").map_or(section.at(), |node| &node.at);
        let message =
            "whatever stands in front of this listener is one address: one bad caller would shut out all";
        section.warn(at, message, "name it in `server.trustedProxies: [127.0.0.1]`, if it tells who calls");
    }
}

/// A provider's signed tenant headers are its alone: a claim in one of them would contradict the signature.
fn identity_is_not_the_tenant(section: &Section<'_>, guard: &GuardSettings, providers: &[ProviderSettings]) {
    for tenant in providers.iter().filter_map(|provider| provider.tenant_headers.as_ref()) {
        let signed = Reserved::new([tenant.prefix.as_str()]);
        if let Some((name, _)) = guard.identity.headers.iter().find(|(name, _)| signed.holds(name)) {
            let at = section.node("identity").map_or(section.at(), |node| &node.at);
            let message = format!("`{name}` begins like the tenant headers that a provider signs");
            section.error(at, message, "use another name for the claim");
        }
    }
}

fn is_used(section: &Section<'_>, provider: &ProviderSettings, settings: &Settings, is_behind_a_guard: bool) {
    let is_a_sessions = matches!(provider.grant, GrantSettings::Session(_)) && settings.broker.is_some();
    if settings.server.egress.is_none() && !is_behind_a_guard && !is_a_sessions {
        let at = section.text("name").map_or(section.at(), |text| text.at);
        let help = "name it in a guard (`upstream: {provider: …}`), or open the sidecar (`server.egress`)";
        section.warn(at, "nobody can use this provider's token", help);
    }
}

/// Calls through the sidecar have no caller whose claim could name the tenant.
fn has_a_tenant(
    section: &Section<'_>,
    provider: &ProviderSettings,
    has_egress: bool,
    is_behind_a_guard: bool,
) {
    let by_claim = provider.tenant_headers.as_ref().is_some_and(|t| matches!(t.tenant, TenantFrom::Claim(_)));
    if !has_egress || !by_claim {
        return;
    }
    let tenant = section.section("tenantHeaders");
    let at = tenant.as_ref().and_then(|tenant| tenant.text("claim")).map_or(section.at(), |text| text.at);
    let message = "calls through the sidecar have no caller, so no claim names their tenant";
    if is_behind_a_guard {
        section.warn(at, message, "they are refused; calls through the guard are not");
    } else {
        section.error(at, message, "write `constant: …`, or name the provider in a guard");
    }
}
