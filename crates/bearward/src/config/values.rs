//! Values with a notation of their own: durations, sizes, addresses, clients.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bearward_issuer::ClientAuth;
use bearward_token::Resource;

use super::reader::{Section, Text};
pub(crate) use super::secret::{secret, secrets};
use super::settings::{ClientSettings, ListenAddress};

/// What a duration looks like, for errors.
pub(crate) const DURATION: &str = "write a duration such as `30s`";

/// The longest for which a verdict or a wrong clock may stand (SPEC JW-2, JW-4).
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// `30s`, `5m`, `250ms`, `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// `512KiB`, `4MiB`, or plain bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) usize);

/// A duration as the configuration writes it, for the command line.
///
/// # Errors
/// What it is not.
pub fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<Span>().map(|span| span.0)
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text);
        let factor = match unit {
            "ms" => Some(1),
            "s" => Some(1000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            _ => None,
        };
        let millis = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
        millis.map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| format!("`{text}` is not a duration"))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text);
        let wrong = || format!("`{text}` is not a size");
        let factor: usize = match unit {
            "" | "B" => 1,
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            _ => return Err(wrong()),
        };
        number.parse::<usize>().ok().and_then(|n| n.checked_mul(factor)).map(Self).ok_or_else(wrong)
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(PathBuf::from(path)))
            } else {
                Err(format!("`{text}` is not an absolute socket path"))
            };
        }
        text.parse::<SocketAddr>().map(Self::Tcp).map_err(|_| format!("`{text}` is not an address"))
    }
}

/// Who a client is and how it proves itself: `clientId` with `clientSecret`, or with `clientKey`, whose owner signs.
pub(crate) fn client(section: &Section<'_>, example: &str, may_be_public: bool) -> Option<ClientSettings> {
    let id = section.required_text("clientId", example).map(|text| text.text.to_owned());
    let has_key = section.has("clientKey");
    let auth = client_auth(section, has_key);
    let assertion_audience = section.text("assertionAudience");
    if let Some(text) = assertion_audience.filter(|_| !has_key) {
        section.error(
            text.at,
            "`assertionAudience` is for a client with `clientKey`",
            "remove it, or use a key",
        );
    }
    if let Some(node) = section.node("clientSecret").filter(|_| has_key) {
        let help = "remove `clientSecret`: the key alone proves who the client is; or remove `clientKey`";
        section.error(&node.at, "a client proves itself by a secret or by a key, not by both", help);
    }
    let credential = match auth {
        Some(ClientAuth::None) => {
            if let Some(text) = section.text("clientAuth").filter(|_| !may_be_public) {
                let help =
                    "give it a `clientSecret` or a `clientKey`: what it asks for is given to nobody else";
                section.error(text.at, "a public client cannot be used here", help);
            }
            if let Some(node) = section.node("clientSecret") {
                let help = "remove `clientSecret`, or `clientAuth: none`";
                section.error(&node.at, "a public client has no secret", help);
            }
            None
        }
        _ => Some(secret(section, if has_key { "clientKey" } else { "clientSecret" })?),
    };
    let assertion_audience = assertion_audience.map(|text| text.text.to_owned());
    Some(ClientSettings { id: id?, auth: auth?, credential, assertion_audience })
}

/// The member `clientAuth`; the kind of credential decides when it is left out.
fn client_auth(section: &Section<'_>, has_key: bool) -> Option<ClientAuth> {
    let usual = if has_key { ClientAuth::PrivateKeyJwt } else { ClientAuth::default() };
    let Some(text) = section.text("clientAuth") else { return Some(usual) };
    let help = "use `client_secret_basic` (the default) or `client_secret_post` with `clientSecret`, or \
                `private_key_jwt` with `clientKey`, or `none` for a public client that has neither";
    let auth = match text.text {
        "client_secret_basic" => ClientAuth::SecretBasic,
        "client_secret_post" => ClientAuth::SecretPost,
        "private_key_jwt" => ClientAuth::PrivateKeyJwt,
        "none" => ClientAuth::None,
        other => {
            let message = format!("`{other}` is not a client authentication that fits here");
            section.error(text.at, message, help);
            return None;
        }
    };
    if (auth == ClientAuth::PrivateKeyJwt) != has_key {
        section.error(text.at, format!("`{}` needs another credential than is given", auth.name()), help);
    }
    Some(auth)
}

/// An origin as browsers write it: no path, no slash behind.
pub(crate) fn origin(section: &Section<'_>, text: Text<'_>) -> Option<String> {
    let is_origin = text.text.parse::<Resource>().is_ok_and(|resource| resource.path().is_empty());
    if !is_origin {
        let message = format!("`{}` is not an origin", text.text);
        let help = "write it as browsers do: `https://app.example.com`, without a path or slash";
        section.error(text.at, message, help);
    }
    is_origin.then(|| text.text.to_owned())
}

/// The member `allowedOrigins`; absent is empty.
pub(crate) fn allowed_origins(section: &Section<'_>) -> Vec<String> {
    let texts = section.texts("allowedOrigins").unwrap_or_default();
    texts.into_iter().filter_map(|text| origin(section, text)).collect()
}

/// Says that a place is reached by plain HTTP, which types accept on loopback alone.
pub(crate) fn warn_of_plain_http(section: &Section<'_>, text: Text<'_>, what: &str) {
    let message = format!("{what} is reached by plain HTTP");
    section.warn(text.at, message, "fine on one machine; use https:// elsewhere");
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests;
