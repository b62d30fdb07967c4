//! A guard's issuers: whose tokens open it, and what a token of theirs must say.

use bearward_guard::Expectations;
use bearward_guard::keys::{Algorithm, algorithm_named};
use bearward_token::{Endpoint, Issuer};

use super::reader::{Section, Text, did_you_mean};
use super::settings::{IssuerSettings, KeysFrom};
use super::values::{DURATION, MINUTE, Span, warn_of_plain_http};

const ALGORITHMS: &str = "use RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA";
const PRESETS: [&str; 6] = ["oidc", "clerk", "auth0", "keycloak", "entra", "okta"];

/// Reads one. `resource` is the audience when none is named (RFC 8707 §2).
pub(crate) fn read(section: &Section<'_>, resource: Option<&str>) -> Option<IssuerSettings> {
    let text = section.required_text("issuer", "https://idp.example.com")?;
    let issuer: Option<Issuer> =
        section.parse("issuer", text, "write the issuer exactly as its tokens say it, slash included");
    if issuer.as_ref().is_some_and(Issuer::is_plain_http) {
        warn_of_plain_http(section, text, "the issuer");
    }
    preset(section);
    for later in ["introspection", "requiredClaims", "authorizedParties"] {
        section.not_yet(later, "it verifies JWTs by signature, issuer, audience, time and scopes");
    }
    let owned = |list: Vec<Text<'_>>| list.iter().map(|text| text.text.to_owned()).collect::<Vec<_>>();
    let audiences =
        section.some_texts("audience", "name at least one, or leave it out: then it is the resource");
    let audiences = audiences.map_or_else(|| resource.map(str::to_owned).into_iter().collect(), owned);
    let strict = Expectations::for_audiences(audiences);
    let skew = section.parsed::<Span>("clockSkew", DURATION).map_or(strict.skew, |span| span.0);
    if let Some(text) = section.text("clockSkew").filter(|_| skew > MINUTE) {
        section.error(text.at, "`clockSkew` is longer than 60 s", "write at most `60s`, and mend the clock");
    }
    let token_types =
        section.some_texts("tokenTypes", "name at least one, such as `at+jwt`, or leave it out");
    let (algorithms, keys) = (algorithms(section), keys(section));
    let tenant_claim = section.text("tenantClaim").map_or(strict.tenant_claim, |text| text.text.to_owned());
    section.finish();
    Some(IssuerSettings {
        issuer: issuer?,
        algorithms,
        keys,
        clock_skew: skew,
        token_types: token_types.map_or(strict.types, owned),
        tenant_claim,
        audiences: strict.audiences,
    })
}

fn preset(section: &Section<'_>) {
    let Some(preset) = section.text("preset").filter(|preset| preset.text != "oidc") else { return };
    if PRESETS.contains(&preset.text) {
        let message = format!("preset `{}` is known, but this version does not have it yet", preset.text);
        section.error(preset.at, message, "use `oidc` or leave it out");
    } else {
        let help = did_you_mean(preset.text, &PRESETS).unwrap_or_else(|| "use `oidc` or leave it out".into());
        section.error(preset.at, format!("`{}` is not a preset", preset.text), help);
    }
}

/// Public-key algorithms alone; a guard that would take HMAC could be fooled with the public key.
fn algorithms(section: &Section<'_>) -> Vec<Algorithm> {
    let Some(names) = section.some_texts("algorithms", ALGORITHMS) else {
        return vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
    };
    let read = |text: Text<'_>| {
        let algorithm = algorithm_named(text.text);
        if algorithm.is_none() {
            let message = format!("`{}` is not an algorithm for tokens of an issuer", text.text);
            section.error(text.at, message, ALGORITHMS);
        }
        algorithm
    };
    names.into_iter().filter_map(read).collect()
}

fn keys(section: &Section<'_>) -> KeysFrom {
    let Some(jwks) = section.section("jwks") else { return KeysFrom::Discovery };
    let keys = match (jwks.text("url"), jwks.text("file")) {
        (Some(url), None) => {
            let keys: Option<Endpoint> = jwks.parse("url", url, "write an https:// URL");
            if keys.as_ref().is_some_and(Endpoint::is_plain_http) {
                warn_of_plain_http(&jwks, url, "the key set");
            }
            keys.map_or(KeysFrom::Discovery, KeysFrom::Url)
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
