//! Where an issuer's keys come from: its metadata, a URL, a file, or the configuration itself.

use bearward_guard::Preset;
use bearward_guard::keys::KeySet;
use bearward_token::Endpoint;
use serde_json::{Map, Value};

use super::opaque;
use super::reader::Section;
use super::settings::KeysFrom;
use super::tree::{Kind, Node};
use super::values::{secret, warn_of_plain_http};

const ONE_PLACE: &str =
    "write `{url: …}`, `{file: …}` or `{inline: …}`, or leave it out: then it is discovered";

const FOR_CLERK: &str =
    "it is for `preset: clerk` with a `secretKey`; remove it: then the keys are found at the issuer";

/// Reads `jwks` of an issuer.
pub(crate) fn read(section: &Section<'_>, preset: Preset) -> KeysFrom {
    let Some(jwks) = section.section("jwks") else { return KeysFrom::Discovery };
    if let Some(true) = jwks.flag("backendApi") {
        let keys = clerk_backend(section, &jwks, preset);
        jwks.finish();
        return keys.unwrap_or(KeysFrom::Discovery);
    }
    let keys = match (jwks.text("url"), jwks.text("file"), jwks.node("inline")) {
        (Some(url), None, None) => {
            let keys: Option<Endpoint> = jwks.parse("url", url, "write an https:// URL");
            if keys.as_ref().is_some_and(Endpoint::is_plain_http) {
                warn_of_plain_http(&jwks, url, "the key set");
            }
            keys.map(KeysFrom::Url)
        }
        (None, Some(file), None) => Some(KeysFrom::File(file.text.into())),
        (None, None, Some(node)) => inline(&jwks, node),
        _ => {
            jwks.error(jwks.at(), "`jwks` must name exactly one place", ONE_PLACE);
            None
        }
    };
    jwks.finish();
    keys.unwrap_or(KeysFrom::Discovery)
}

/// Clerk's backend API shows the keys to whoever has the secret key.
fn clerk_backend(section: &Section<'_>, jwks: &Section<'_>, preset: Preset) -> Option<KeysFrom> {
    if preset != Preset::Clerk || !section.has("secretKey") {
        jwks.error(jwks.at(), "`jwks.backendApi` has nobody to ask", FOR_CLERK);
        return None;
    }
    if !jwks.has_only(&["backendApi"]) {
        jwks.error(jwks.at(), "`jwks` must name exactly one place", ONE_PLACE);
    }
    let api = opaque::clerk_api(section)?;
    let url = format!("{}/jwks", api.as_str().trim_end_matches('/')).parse().ok()?;
    Some(KeysFrom::Protected(url, secret(section, "secretKey")?))
}

/// A key set as JSON text, or written in YAML.
fn inline(jwks: &Section<'_>, node: &Node) -> Option<KeysFrom> {
    let document = match &node.kind {
        Kind::Scalar(text) => text.clone(),
        _ => json(node).to_string(),
    };
    let keys = KeySet::parse(document.as_bytes());
    if keys.is_ok_and(|keys| !keys.is_empty()) {
        return Some(KeysFrom::Inline(document));
    }
    let help =
        "write a JSON Web Key Set (RFC 7517) with at least one RSA, P-256, P-384 or Ed25519 key for signing";
    jwks.error(&node.at, "`jwks.inline` holds no key that can verify a signature", help);
    None
}

/// All members of a JWK that matter are texts.
fn json(node: &Node) -> Value {
    match &node.kind {
        Kind::Nothing => Value::Null,
        Kind::Scalar(text) => Value::String(text.clone()),
        Kind::List(items) => Value::Array(items.iter().map(json).collect()),
        Kind::Map(members) => Value::Object(
            members.iter().map(|(key, value)| (key.name.clone(), json(value))).collect::<Map<_, _>>(),
        ),
    }
}
