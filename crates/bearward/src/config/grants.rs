//! A provider's `auth`: by which grant its tokens are had, and what is asked for.

use bearward_token::{Endpoint, Issuer, ScopeSet, Share};

use super::reader::{Section, Text};
use super::session;
use super::settings::{ActorSettings, GrantSettings, RequestSettings};
use super::tree::Kind;
use super::values::{client, secret, warn_of_plain_http};

const KNOWN: &str =
    "use `client_credentials`, `token_exchange`, `refresh_token`, `session`, `passthrough` or `static`";
/// What keys call who issues.
const AUTHORITY: &str = "authority";
const SESSION: &str = "session";
const STAGED: &str = "write `{first: token_exchange, otherwise: client_credentials, share: 10%}`";

/// Reads the grant and everything that it needs; keys of other grants are said to be out of place.
pub(crate) fn read(
    auth: &Section<'_>,
    url: Option<&Endpoint>,
    around: &session::Around<'_>,
) -> Option<GrantSettings> {
    let (name, share) = name(auth)?;
    let at = name.at;
    let settings = match name.text {
        "client_credentials" => request(auth, AUTHORITY, false).map(GrantSettings::ClientCredentials),
        "token_exchange" => {
            let actor = auth.section("actor").map(|section| actor(&section));
            request(auth, AUTHORITY, false).map(|request| GrantSettings::TokenExchange {
                request,
                actor,
                share,
            })
        }
        "refresh_token" => {
            let given = secret(auth, "refreshToken");
            request(auth, AUTHORITY, true)
                .zip(given)
                .map(|(request, given)| GrantSettings::RefreshToken { request, given })
        }
        "passthrough" => auth
            .required_text("resource", "https://api.example.com")
            .map(|text| GrantSettings::Passthrough { resource: text.text.to_owned() }),
        "static" => {
            let authority = auth.has(AUTHORITY).then(|| authority(auth, AUTHORITY)).flatten();
            secret(auth, "token").map(|token| GrantSettings::Static { token, authority })
        }
        "session" => session::read(auth, what(auth), url, around).map(GrantSettings::Session),
        other => {
            auth.error(at, format!("`{other}` is not a grant"), KNOWN);
            // So that what else is wrong is said at once.
            return request(auth, AUTHORITY, false).map(GrantSettings::ClientCredentials);
        }
    };
    out_of_place(auth, name, share.is_some());
    settings
}

/// `grant: name`, or a name for a share of the callers and another for everybody else.
fn name<'a>(auth: &Section<'a>) -> Option<(Text<'a>, Option<Share>)> {
    let is_staged = auth.node("grant").is_some_and(|node| matches!(node.kind, Kind::Map(_)));
    if !is_staged {
        // A provider that says no more is one of those that the user's login is for.
        let usual = Text { text: SESSION, at: auth.at() };
        return Some((auth.some_text("grant", "client_credentials").unwrap_or(usual), None));
    }
    let staged = auth.section("grant")?;
    let first = staged.required_text("first", "token_exchange");
    let otherwise = staged.required_text("otherwise", "client_credentials");
    let wrong = [(first, "token_exchange"), (otherwise, "client_credentials")];
    let is_wrong = |(text, wanted): &(Option<Text<'_>>, &str)| text.is_some_and(|text| text.text != *wanted);
    if let Some((Some(text), wanted)) = wrong.into_iter().find(is_wrong) {
        staged.error(text.at, format!("only `{wanted}` can stand here, and not `{}`", text.text), STAGED);
    }
    let share = share(&staged);
    staged.finish();
    Some((first?, share.or(Some(Share::percent(0)))))
}

fn share(staged: &Section<'_>) -> Option<Share> {
    let text = staged.required_text("share", "10%")?;
    let percent = text.text.strip_suffix('%').and_then(|percent| percent.trim().parse::<u8>().ok());
    let Some(percent) = percent.filter(|percent| *percent <= 100) else {
        staged.error(text.at, format!("`{}` is no share of callers", text.text), STAGED);
        return None;
    };
    Some(Share::percent(percent))
}

/// What is asked for at a token endpoint, and as whom; `issuer` is the key that says who issues.
pub(crate) fn request(
    auth: &Section<'_>,
    issuer: &'static str,
    may_be_public: bool,
) -> Option<RequestSettings> {
    let authority = authority(auth, issuer);
    let client = client(auth, "my-client", may_be_public);
    let token_endpoint: Option<Endpoint> =
        auth.parsed("tokenEndpoint", "write an https:// URL, or leave it out to have it discovered");
    if let Some(text) =
        auth.text("tokenEndpoint").filter(|_| token_endpoint.as_ref().is_some_and(Endpoint::is_plain_http))
    {
        warn_of_plain_http(auth, text, "the token endpoint");
    }
    let extra = extra(auth);
    let ActorSettings { audience, resource, scopes } = what(auth);
    let (authority, client) = (authority?, client?);
    Some(RequestSettings { authority, token_endpoint, client, audience, resource, scopes, extra })
}

/// Who issues, as the key `name` says.
pub(crate) fn authority(auth: &Section<'_>, name: &'static str) -> Option<Issuer> {
    let text = auth.required_text(name, "https://idp.example.com")?;
    let issuer: Issuer = auth.parse(name, text, "write the issuer exactly as its metadata says")?;
    if issuer.is_plain_http() {
        warn_of_plain_http(auth, text, &format!("the {name}"));
    }
    Some(issuer)
}

fn actor(section: &Section<'_>) -> ActorSettings {
    let settings = what(section);
    section.finish();
    settings
}

/// `audience`, `resource`, `scopes`.
fn what(section: &Section<'_>) -> ActorSettings {
    let scopes = section.texts("scopes").unwrap_or_default().into_iter();
    ActorSettings {
        audience: section.some_text("audience", "https://api.example.com").map(|text| text.text.to_owned()),
        resource: section.some_text("resource", "https://api.example.com").map(|text| text.text.to_owned()),
        scopes: scopes
            .filter_map(|text| section.parse("scopes", text, "one scope an entry"))
            .collect::<ScopeSet>(),
    }
}

/// `parameters`: what some server wants beside what the grant says.
fn extra(auth: &Section<'_>) -> Vec<(String, String)> {
    /// What Bearward says itself.
    const OWN: [&str; 14] = [
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "scope",
        "audience",
        "resource",
        "refresh_token",
        "subject_token",
        "subject_token_type",
        "requested_token_type",
        "actor_token",
        "actor_token_type",
    ];
    parameters(auth, "parameters", &OWN)
}

/// A mapping of parameters of a request, none of which is one of `own`.
pub(crate) fn parameters(section: &Section<'_>, name: &'static str, own: &[&str]) -> Vec<(String, String)> {
    let Some(map) = section.section(name) else { return Vec::new() };
    let mut extra = Vec::new();
    for (name, node) in map.all() {
        if own.contains(&name.text) {
            let help = "use the key of its own: `scopes`, `audience`, `resource`, `clientId` and their like";
            map.error(name.at, format!("`{}` is said by Bearward itself", name.text), help);
        }
        let values = map.texts_in(name.text, node);
        extra.extend(values.into_iter().map(|value| (name.text.to_owned(), value.text.to_owned())));
    }
    extra
}

/// A key that belongs to another grant was meant to do something, and does not.
fn out_of_place(auth: &Section<'_>, grant: Text<'_>, is_staged: bool) {
    let asks = ["client_credentials", "token_exchange", "refresh_token"];
    let request = [
        "clientId",
        "clientSecret",
        "clientKey",
        "clientAuth",
        "assertionAudience",
        "tokenEndpoint",
        "parameters",
    ];
    let what = ["client_credentials", "token_exchange", "refresh_token", SESSION];
    let mut rules: Vec<(&'static str, &[&str])> = vec![
        ("refreshToken", &["refresh_token"]),
        ("token", &["static"]),
        ("actor", &["token_exchange"]),
        ("authority", &["client_credentials", "token_exchange", "refresh_token", SESSION, "static"]),
        ("audience", &what),
        ("scopes", &what),
        ("via", &[SESSION]),
        ("origins", &[SESSION]),
        ("audiences", &[SESSION]),
        ("reuseAuthorizer", &[SESSION]),
        ("reuseAuthorizerMode", &[SESSION]),
    ];
    // What nobody gets ahead of time, or keeps: callers' own tokens, and those that are given.
    let fetched: &[&str] = &["client_credentials", "refresh_token", SESSION];
    let shared: &[&str] = &["client_credentials", "refresh_token", "static"];
    if !is_staged {
        rules.extend([("prefetch", shared), ("storage", fetched)]);
    }
    let dated: &[&str] = &["client_credentials", "token_exchange", "refresh_token", SESSION];
    rules.push(("minTTL", dated));
    rules.extend(request.into_iter().map(|key| (key, asks.as_slice())));
    for (key, grants) in rules {
        if let Some(node) = auth.node(key).filter(|_| !grants.contains(&grant.text)) {
            let message = format!("`{}` is of no use to grant `{}`", auth.path_of(key), grant.text);
            auth.error(&node.at, message, format!("remove it, or use grant `{}`", grants.join("` or `")));
        }
    }
}
