//! What is right by itself and wrong together, or leads nowhere.

use bearward_gateway::provider::TenantFrom;

use super::reader::Section;
use super::settings::{ProviderSettings, Settings};

/// Looks at all providers once everything has been read without an error.
pub(crate) fn check(root: &Section<'_>, settings: &Settings) {
    let sections = root.section("mcp").map(|mcp| mcp.sections("providers")).unwrap_or_default();
    for (section, provider) in sections.iter().zip(&settings.providers) {
        let is_behind_a_guard =
            settings.guards.iter().any(|guard| guard.provider.as_deref() == Some(provider.name.as_str()));
        is_used(section, settings, is_behind_a_guard);
        has_a_tenant(section, provider, settings.server.egress.is_some(), is_behind_a_guard);
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
