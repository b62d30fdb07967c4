//! A guard's issuers: whose tokens open it, and what a token of theirs must say.

use bearward_guard::keys::{Algorithm, algorithm_named};
use bearward_guard::{ClaimPath, Demand, Expectations, Pattern, Preset};
use bearward_token::Issuer;

use super::reader::{Section, Text, did_you_mean};
use super::settings::{IssuerSettings, KeysFrom};
use super::tree::Place;
use super::values::warn_of_plain_http;
use super::{expectations, jwks, opaque};

const ALGORITHMS: &str = "use RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA";
const EXACTLY: &str = "write the issuer exactly as its tokens say it, slash included";

/// Entra's issuers that no token names: they stand for many tenants.
const ENTRA_FOR_MANY: [&str; 3] = ["/common/", "/organizations/", "/consumers/"];

/// Reads one entry, which is one issuer, or for Entra the issuers of several tenants. `resource` is the audience when
/// none is named.
pub(crate) fn read(section: &Section<'_>, resource: Option<&str>) -> Vec<IssuerSettings> {
    let preset = preset(section);
    let algorithms = algorithms(section).unwrap_or_else(|| preset.algorithms());
    let mut expectations = expectations::read(section, preset, resource);
    let kinds = kinds(section);
    let opaque = opaque::read(section, preset, kinds.opaque, &mut expectations);
    if let Some(at) = kinds.opaque_at.filter(|_| opaque.is_none()) {
        section.error(at, "nobody could be asked about opaque tokens", "add `introspection: {…}`");
    }
    let keys = kinds.has_jwts.then(|| jwks::read(section, preset));
    secret_key_is_used(section, preset, opaque.is_some(), keys.as_ref());
    let settings = match section.texts("tenants") {
        Some(tenants) if preset == Preset::Entra => {
            let given = keys.filter(|_| section.has("jwks"));
            entra(section, &tenants, &algorithms, given.as_ref(), &expectations)
        }
        tenants => {
            if let Some(tenant) = tenants.as_ref().and_then(|tenants| tenants.first()) {
                section.error(
                    tenant.at,
                    "`tenants` is for `preset: entra`",
                    "remove it, or use `requiredClaims`",
                );
            }
            let issuer = issuer(section, preset);
            let logout_audiences = audiences_of(section, "backchannelLogout", keys.is_some());
            let event_audiences = audiences_of(section, "securityEvents", keys.is_some());
            let settings = |issuer| IssuerSettings {
                issuer,
                algorithms,
                keys,
                opaque,
                expectations,
                logout_audiences,
                event_audiences,
            };
            issuer.map(settings).into_iter().collect()
        }
    };
    section.finish();
    settings
}

/// Clerk's secret key opens its backend API, which is asked about opaque tokens and for keys.
fn secret_key_is_used(section: &Section<'_>, preset: Preset, has_opaque: bool, keys: Option<&KeysFrom>) {
    if preset != Preset::Clerk || has_opaque || matches!(keys, Some(KeysFrom::Protected(..))) {
        return;
    }
    if let Some(node) = section.node("secretKey").filter(|_| section.has("tokens")) {
        let help = "remove it, or add `jwks: {backendApi: true}`, or accept opaque tokens as well";
        section.error(&node.at, "`secretKey` is used for nothing", help);
    }
}

fn issuer(section: &Section<'_>, preset: Preset) -> Option<Issuer> {
    let text = section.required_text("issuer", "https://idp.example.com")?;
    let issuer: Issuer = section.parse("issuer", text, EXACTLY)?;
    if issuer.is_plain_http() {
        warn_of_plain_http(section, text, "the issuer");
    }
    if preset == Preset::Entra && ENTRA_FOR_MANY.iter().any(|many| text.text.contains(many)) {
        let help =
            "list the tenants whose tokens open the guard: `tenants: [<tenant id>, …]`, without `issuer`";
        section.error(text.at, "no token of Entra's names this issuer: it stands for many tenants", help);
    }
    if preset == Preset::Auth0 && !text.text.ends_with('/') {
        section.warn(
            text.at,
            "Auth0's issuers end with a slash",
            "write it as the tokens do: with `/` at its end",
        );
    }
    Some(issuer)
}

/// Both versions of each tenant's tokens. Their keys are published once, under the tenant, unless they were `given`.
fn entra(
    section: &Section<'_>,
    tenants: &[Text<'_>],
    algorithms: &[Algorithm],
    given: Option<&KeysFrom>,
    expectations: &Expectations,
) -> Vec<IssuerSettings> {
    refuse_what_entra_has_not(section);
    let mut settings = Vec::new();
    for tenant in tenants {
        if !is_guid(tenant.text) {
            let message = format!("`{}` is not a tenant's id", tenant.text);
            section.error(tenant.at, message, "write the id, such as `72f988bf-86f1-41af-91ab-2d7cd011db47`");
            continue;
        }
        let tenant = tenant.text.to_ascii_lowercase();
        let keys = format!("https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys")
            .parse()
            .map(KeysFrom::Url);
        let mut expectations = expectations.clone();
        if let Ok(path) = "tid".parse::<ClaimPath>() {
            expectations.demands.push(Demand::claim(path, [Pattern::exact(&tenant)]));
        }
        let issuers = [
            format!("https://login.microsoftonline.com/{tenant}/v2.0"),
            format!("https://sts.windows.net/{tenant}/"),
        ];
        for issuer in issuers.iter().filter_map(|issuer| issuer.parse().ok()) {
            let (algorithms, expectations) = (algorithms.to_vec(), expectations.clone());
            let (logout_audiences, event_audiences) = (Vec::new(), Vec::new());
            let published = || keys.clone().unwrap_or(KeysFrom::Discovery);
            let (keys, opaque) = (Some(given.cloned().unwrap_or_else(published)), None);
            settings.push(IssuerSettings {
                issuer,
                algorithms,
                keys,
                opaque,
                expectations,
                logout_audiences,
                event_audiences,
            });
        }
    }
    settings
}

fn refuse_what_entra_has_not(section: &Section<'_>) {
    for name in ["backchannelLogout", "securityEvents"] {
        if let Some(node) = section.node(name) {
            let help = "remove it: Entra sends neither for tenants; revoke by the admin listener or a file";
            section.error(&node.at, format!("`tenants` and `{name}` do not go together"), help);
        }
    }
    if let Some(node) = section.node("introspection") {
        let help = "remove it: Entra gives out no opaque tokens for resources of your own";
        section.error(&node.at, "`tenants` and `introspection` do not go together", help);
    }
    if let Some(issuer) = section.text("issuer") {
        section.error(
            issuer.at,
            "`tenants` says already who the issuers are",
            "remove `issuer`, or `tenants`",
        );
    }
}

/// `{audience: …}` of what the issuer sends by itself.
fn audiences_of(section: &Section<'_>, name: &'static str, has_keys: bool) -> Vec<String> {
    let issuer = section;
    let Some(section) = section.section(name) else { return Vec::new() };
    if !has_keys {
        let message =
            format!("`{}` needs the issuer's keys, and `tokens: [opaque]` reads none", issuer.path_of(name));
        issuer.error(section.at(), message, "add `jwt` to `tokens`, or remove it");
    }
    let help = "name what its events are sent for: a client id, or this server's URL";
    let audiences = section.some_texts("audience", help);
    if audiences.is_none() {
        section.missing("audience", "my-client-id");
    }
    section.finish();
    audiences.unwrap_or_default().into_iter().map(|text| text.text.to_owned()).collect()
}

/// What kinds of tokens an issuer gives out.
struct Kinds<'a> {
    has_jwts: bool,
    /// `None`: nothing is said of them.
    opaque: Option<bool>,
    opaque_at: Option<&'a Place>,
}

/// `tokens`. An issuer of opaque tokens alone needs no keys.
fn kinds<'a>(section: &Section<'a>) -> Kinds<'a> {
    let help = "write `[jwt]`, `[opaque]` or `[jwt, opaque]`, or leave it out";
    let Some(kinds) = section.some_texts("tokens", help) else {
        return Kinds { has_jwts: true, opaque: None, opaque_at: None };
    };
    for kind in kinds.iter().filter(|kind| kind.text != "jwt" && kind.text != "opaque") {
        section.error(kind.at, format!("`{}` is no kind of token", kind.text), help);
    }
    let opaque = kinds.iter().find(|kind| kind.text == "opaque");
    Kinds {
        has_jwts: kinds.iter().any(|kind| kind.text == "jwt"),
        opaque: Some(opaque.is_some()),
        opaque_at: opaque.map(|kind| kind.at),
    }
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn preset(section: &Section<'_>) -> Preset {
    let Some(text) = section.text("preset") else { return Preset::default() };
    let found = Preset::ALL.iter().find(|(name, _)| *name == text.text);
    found.map(|(_, preset)| *preset).unwrap_or_else(|| {
        let names = Preset::ALL.map(|(name, _)| name);
        let help =
            did_you_mean(text.text, &names).unwrap_or_else(|| format!("use one of {}", names.join(", ")));
        section.error(text.at, format!("`{}` is not a preset", text.text), help);
        Preset::default()
    })
}

/// Public-key algorithms alone; a guard that would take HMAC could be fooled with the public key.
pub(crate) fn algorithms(section: &Section<'_>) -> Option<Vec<Algorithm>> {
    let read = |text: Text<'_>| {
        let algorithm = algorithm_named(text.text);
        if algorithm.is_none() {
            let message = format!("`{}` is not an algorithm for tokens of an issuer", text.text);
            section.error(text.at, message, ALGORITHMS);
        }
        algorithm
    };
    let names = section.some_texts("algorithms", ALGORITHMS)?;
    Some(names.into_iter().filter_map(read).collect())
}
