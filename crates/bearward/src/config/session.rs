//! A provider whose tokens are those of the user's session: whose they are, what they are for, and where they may go.

use bearward_client::{Choice, Levels};
use bearward_token::{Endpoint, Issuer, Origin, ScopeSet};
use url::Url;

use super::grants::authority;
use super::reader::{Section, Text};
use super::reuse;
use super::settings::{ActorSettings, BrokerSettings, SessionSettings, Via};

const VIA: &str =
    "write `login`, `token_exchange` or `refresh_token`, or leave it out: then it follows from the audience";

/// What a provider need not say itself.
pub(crate) struct Around<'a> {
    /// Where users sign in, if this process has that.
    pub(crate) broker: Option<&'a BrokerSettings>,
    /// What command line and environment say of reuse.
    pub(crate) above: Levels,
    /// What the defaults say of it.
    pub(crate) global: Choice,
}

/// Reads `auth` of a provider at `url`; `what` was read of it already.
pub(crate) fn read(
    auth: &Section<'_>,
    what: ActorSettings,
    url: Option<&Endpoint>,
    around: &Around<'_>,
) -> Option<SessionSettings> {
    let allow_insecure = auth.flag("allowInsecure").unwrap_or(false);
    let ActorSettings { audience, resource, scopes } = what;
    let authority = match (auth.has("authority"), around.broker) {
        (false, Some(broker)) => Some(broker.issuer().clone()),
        _ => authority(auth, "authority"),
    };
    let origins = origins(auth, url, allow_insecure);
    let audiences = auth.texts("audiences").unwrap_or_default();
    let levels = Levels { provider: reuse::choice(auth), global: around.global, ..around.above };
    let wanted = [audience.as_deref(), resource.as_deref()];
    let via = via(auth, wanted, authority.as_ref(), around);
    scopes_are_the_logins(auth, via, &scopes);
    Some(SessionSettings {
        authority: authority?,
        audiences: audiences.iter().map(|text| text.text.to_owned()).collect(),
        audience,
        resource,
        scopes,
        origins,
        allow_insecure,
        via,
        levels,
    })
}

/// Where its tokens may go: what is listed, else the origin of its own URL.
fn origins(auth: &Section<'_>, url: Option<&Endpoint>, allow_insecure: bool) -> Vec<Origin> {
    let url = url.and_then(|url| Url::parse(url.as_str()).ok());
    let own = url.as_ref().and_then(Origin::of);
    let Some(listed) = auth.texts("origins") else { return own.into_iter().collect() };
    let listed: Vec<_> = listed.into_iter().filter_map(|text| origin(auth, text, allow_insecure)).collect();
    if let (Some(own), Some(node)) = (own.filter(|own| !listed.contains(own)), auth.node("origins")) {
        let message = format!("its own `url` is at `{own}`, where its token may not go");
        auth.error(&node.at, message, "add it here, or remove the `url`");
    }
    listed
}

fn origin(auth: &Section<'_>, text: Text<'_>, allow_insecure: bool) -> Option<Origin> {
    let origin: Origin =
        auth.parse("origins", text, "write `https://host` with a port if need be, and nothing behind it")?;
    if origin.is_plain_http() && !(allow_insecure && origin.is_loopback()) {
        let message = format!("a token would leave for `{origin}` over plain HTTP");
        let help = match origin.is_loopback() {
            true => "use https://, or add `allowInsecure: true` under `auth` for this machine's own loopback",
            false => "use https://; `allowInsecure` is for loopback alone",
        };
        auth.error(text.at, message, help);
    }
    Some(origin)
}

fn via(
    auth: &Section<'_>,
    wanted: [Option<&str>; 2],
    authority: Option<&Issuer>,
    around: &Around<'_>,
) -> Via {
    let login = around.broker.and_then(BrokerSettings::audience);
    let is_for_something = wanted.iter().any(Option::is_some);
    let is_logins = wanted.into_iter().flatten().all(|wanted| Some(wanted) == login);
    let usual = if is_logins && is_for_something { Via::Login } else { Via::TokenExchange };
    if let (Some(broker), Some(authority)) = (around.broker, authority)
        && broker.issuer() != authority
    {
        let at = auth.text("authority").map_or(auth.at(), |text| text.at);
        let message = format!(
            "this provider takes tokens of another authority than `broker.issuer`, {}",
            broker.issuer()
        );
        auth.warn(at, message, "sessions get no token for it: `auth_authority_mismatch`");
    }
    let via = auth.parsed("via", VIA);
    if !is_for_something && via != Some(Via::Login) {
        let help = "add `audience` (or `resource`); or `via: login`, if it takes the tokens of the sign-in as they are";
        auth.error(auth.at(), "it does not say what its tokens are for", help);
    }
    let Some(via) = via else { return usual };
    if via == Via::Login && !is_logins {
        let at = auth.text("via").map_or(auth.at(), |text| text.at);
        let message = "the session's own token is for something else than this provider's `audience`";
        auth.error(
            at,
            message,
            "name the same in `broker.resource` or `broker.audience`, or use another `via`",
        );
    }
    via
}

/// A session's own token has the scopes of the sign-in, whatever a provider says.
fn scopes_are_the_logins(auth: &Section<'_>, via: Via, scopes: &ScopeSet) {
    if via == Via::Login && !scopes.is_empty() {
        let at = auth.node("scopes").map_or(auth.at(), |node| &node.at);
        let message = "the session's own token has the scopes of the sign-in, and not these";
        auth.warn(
            at,
            message,
            "name them in `broker.scopes`; a session may still ask for these and no others",
        );
    }
}
