//! The section `broker`: where users of a web application sign in, and what their sessions are like.

use std::time::Duration;

use bearward_guard::Preset;
use bearward_token::{Origin, ScopeSet};

use super::defaults::Defaults;
use super::grants::{parameters, request};
use super::issuers::algorithms;
use super::jwks;
use super::reader::{Section, Text};
use super::settings::{BrokerSettings, ServerSettings};
use super::values::{DURATION, Span};

/// What Bearward says itself when somebody signs in.
const OWN: [&str; 12] = [
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "audience",
    "request",
];
const USUAL_SCOPES: &str = "openid profile";
const USUAL_COOKIE: &str = "session";
const HOUR: Duration = Duration::from_secs(3600);
const USUAL_IDLE: Duration = HOUR.saturating_mul(8);
const USUAL_ABSOLUTE: Duration = HOUR.saturating_mul(7 * 24);
/// So long is it remembered that an issuer has ended a session: none may be there longer.
const LONGEST: Duration = HOUR.saturating_mul(30 * 24);

/// Reads it; absent: nobody signs in here.
pub(crate) fn read(
    root: &Section<'_>,
    defaults: &Defaults,
    server: &ServerSettings,
) -> Option<BrokerSettings> {
    let section = root.section("broker")?;
    let usual: ScopeSet = USUAL_SCOPES.parse().unwrap_or_default();
    let mut request = request(&section, "issuer", true);
    if let Some(request) = &mut request {
        match section.has("scopes") {
            true => openid_is_asked_for(&section, &request.scopes),
            false => request.scopes = usual,
        }
    }
    let login_parameters = parameters(&section, "loginParameters", &OWN);
    let keys = jwks::read(&section, Preset::Oidc);
    let algorithms = algorithms(&section).unwrap_or_else(|| Preset::Oidc.algorithms());
    let public_origin = public_origin(&section, server);
    let (idle, absolute) = lives(&section);
    let (cookie, after_logout) = (cookie(&section), after_logout(&section));
    let origins = section.texts("origins").unwrap_or_default().into_iter();
    let origins = origins.filter_map(|text| other_origin(&section, text)).collect();
    let is_pkce_known = section.flag("assumePkce").unwrap_or(false);
    section.finish();
    Some(BrokerSettings {
        request: request?,
        login_parameters,
        keys,
        algorithms,
        public_origin: public_origin?,
        cookie,
        idle,
        absolute,
        origins,
        after_logout,
        is_pkce_known,
        storage: defaults.keeping.storage(),
    })
}

fn openid_is_asked_for(section: &Section<'_>, scopes: &ScopeSet) {
    if !scopes.iter().any(|scope| scope.as_str() == "openid") {
        let at = section.node("scopes").map_or(section.at(), |node| &node.at);
        let message = "without the scope `openid` the issuer does not say who has signed in";
        section.error(at, message, "add `openid`");
    }
}

/// Where browsers reach the application; by default where this server is reached.
fn public_origin(section: &Section<'_>, server: &ServerSettings) -> Option<Origin> {
    let help = "write where browsers reach the application, such as `https://app.example.com`";
    if let Some(text) = section.text("publicUrl") {
        let origin: Origin = section.parse("publicUrl", text, help)?;
        if origin.is_plain_http() && !origin.is_loopback() {
            section.error(
                text.at,
                format!("`{origin}` is plain HTTP: everybody on the way could take over sessions"),
                "use https://",
            );
        }
        return Some(origin);
    }
    let public = server.public_url.as_ref().map(|url| url.origin().to_owned());
    let own = (server.listen.ip().is_loopback() && server.listen.port() != 0)
        .then(|| format!("http://{}", server.listen));
    let origin = public.or(own).and_then(|text| text.parse().ok());
    if origin.is_none() {
        section.missing("publicUrl", "https://app.example.com");
    }
    origin
}

/// Whose pages may ask with the user's cookie: what they say of themselves is compared as browsers write it.
fn other_origin(section: &Section<'_>, text: Text<'_>) -> Option<String> {
    let origin: Origin =
        section.parse("origins", text, "write it as browsers do: `https://admin.example.com`")?;
    if origin.is_plain_http() && !origin.is_loopback() {
        let message = format!("a page at `{origin}` could be anybody's: it comes over plain HTTP");
        section.error(text.at, message, "use https://");
    }
    Some(origin.to_string())
}

fn cookie(section: &Section<'_>) -> String {
    let Some(text) = section.some_text("cookie", USUAL_COOKIE) else { return USUAL_COOKIE.to_owned() };
    if !text.text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') || text.text.len() > 64
    {
        let help = "use letters, digits, `-` and `_`, at most 64; `__Host-` is put before it";
        section.error(text.at, format!("`{}` cannot be a cookie's name", text.text), help);
    }
    text.text.to_owned()
}

/// How long sessions live: unused, and at most.
fn lives(section: &Section<'_>) -> (Duration, Duration) {
    let Some(lives) = section.section("session") else { return (USUAL_IDLE, USUAL_ABSOLUTE) };
    let span = |name| lives.parsed::<Span>(name, DURATION).map(|span| span.0);
    let absolute = span("absolute").unwrap_or(USUAL_ABSOLUTE);
    let idle = span("idle").unwrap_or(USUAL_IDLE.min(absolute));
    for (name, life) in [("idle", idle), ("absolute", absolute)] {
        if !(Duration::from_secs(60)..=LONGEST).contains(&life) {
            let at = lives.text(name).map_or(lives.at(), |text| text.at);
            let message = format!("`{}` is out of bounds", lives.path_of(name));
            lives.error(at, message, "write a duration from `1m` to `720h`");
        }
    }
    if idle > absolute {
        lives.error(
            lives.at(),
            "a session cannot be idle for longer than it lives",
            "let `idle` be at most `absolute`",
        );
    }
    lives.finish();
    (idle, absolute)
}

/// Exactly as it is registered at the issuer.
fn after_logout(section: &Section<'_>) -> Option<String> {
    let text = section.text("afterLogout")?;
    let url = url::Url::parse(text.text)
        .ok()
        .filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    if url.is_none() {
        let help = "write the whole URL that is registered at the issuer, such as `https://app.example.com/`";
        section.error(text.at, format!("`{}` is no URL that a browser can go to", text.text), help);
    }
    Some(text.text.to_owned())
}
