//! What is right by itself and wrong together, or leads nowhere.

use std::collections::HashSet;

use bearward_gateway::headers::Reserved;
use bearward_gateway::provider::TenantFrom;

use super::reader::Section;
use super::settings::{GuardSettings, ProviderSettings, Settings};

/// Looks at everything once it has been read without an error.
pub(crate) fn check(root: &Section<'_>, settings: &Settings) {
    for (section, guard) in root.sections("guards").iter().zip(&settings.guards) {
        opaque_tokens_are_told_apart(section, guard);
        identity_is_not_the_tenant(section, guard, &settings.providers);
        addresses_are_told_apart(section, guard, settings);
    }
    let sections = root.section("mcp").map(|mcp| mcp.sections("providers")).unwrap_or_default();
    for (section, provider) in sections.iter().zip(&settings.providers) {
        let is_behind_a_guard =
            settings.guards.iter().any(|guard| guard.provider.as_deref() == Some(provider.name.as_str()));
        is_used(section, settings, is_behind_a_guard);
        has_a_tenant(section, provider, settings.server.egress.is_some(), is_behind_a_guard);
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

fn is_used(section: &Section<'_>, settings: &Settings, is_behind_a_guard: bool) {
    if settings.server.egress.is_none() && !is_behind_a_guard {
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
