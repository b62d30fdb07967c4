//! What is right by itself and wrong together, of users' sessions: where they are kept, and what may come of them.

use bearward_client::Mode;
use bearward_gateway::pages;
use bearward_store::{Kept, Purpose};

use super::reader::Section;
use super::settings::{BrokerSettings, GrantSettings, ProviderSettings, SessionSettings, Settings, Via};
use super::together::auth_at;

/// Looks at the broker.
pub(crate) fn check_broker(root: &Section<'_>, settings: &Settings) {
    let (Some(section), Some(broker)) = (root.section("broker"), &settings.broker) else { return };
    are_kept_somewhere(&section, broker, settings);
    if broker.public_origin.is_plain_http() {
        let at = section.node("publicUrl").map_or(section.at(), |node| &node.at);
        let message = format!(
            "browsers reach the application by plain HTTP: its cookies change their names there, `dev-{name}` for \
             `__Host-{name}`, and every other server of this host can read them",
            name = broker.cookie
        );
        section.warn(at, message, "fine for development on one machine; use https:// elsewhere");
    }
    addresses_are_told_apart(&section, broker, settings);
    others_are_named_beside_its_own(&section, broker, settings);
    for guard in &settings.guards {
        if guard.resource.path().starts_with(pages::BELOW) {
            let message =
                format!("`{}` is below `{}`, where the broker's endpoints are", guard.resource, pages::BELOW);
            section.error(section.at(), message, "give the guarded resource another path");
        }
    }
}

/// Behind a proxy every visitor comes from the proxy, unless it is believed about who came to it.
fn addresses_are_told_apart(section: &Section<'_>, broker: &BrokerSettings, settings: &Settings) {
    let server = &settings.server;
    let is_behind_one = server.listen.ip().is_loopback() && !broker.public_origin.is_loopback();
    if is_behind_one && server.trusted_proxies.is_empty() {
        let message = "whatever stands in front of this listener is one address: who begins too many sign-ins would hold up all";
        section.warn(
            section.at(),
            message,
            "name it in `server.trustedProxies: [127.0.0.1]`, if it tells who came",
        );
    }
}

/// A sign-in that names the resources of others alone gets a token for all of these.
fn others_are_named_beside_its_own(section: &Section<'_>, broker: &BrokerSettings, settings: &Settings) {
    let by_refresh = |provider: &ProviderSettings| match &provider.grant {
        GrantSettings::Session(session) => session.via == Via::RefreshToken,
        _ => false,
    };
    if broker.audience().is_none() && settings.providers.iter().any(by_refresh) {
        let message =
            "providers have tokens by `via: refresh_token`, and nothing says what the session's own is for";
        section.error(section.at(), message, "add `resource: https://…`");
    }
}

/// Looks at a provider whose tokens are those of the user's session.
pub(crate) fn check_provider(
    section: &Section<'_>,
    provider: &ProviderSettings,
    settings: &Settings,
    is_behind_a_guard: bool,
) {
    let GrantSettings::Session(session) = &provider.grant else { return };
    let is_called_here = settings.server.egress.is_some() || is_behind_a_guard;
    if settings.broker.is_none() && is_called_here {
        let help = "add `broker: {issuer: …, clientId: …, clientSecret: {env: …}}`, or name another grant: `grant: …`";
        let message = "this provider's tokens are those of users' sessions, and nobody signs in here";
        section.error(auth_at(section), message, help);
    }
    may_have_a_token(section, session);
    if is_called_here && !session.levels.reuse().value {
        let message = format!(
            "reuse is off for it, as `{}` decides: requests to it are refused here",
            session.levels.reuse().level
        );
        section.warn(auth_at(section), message, "write `reuseAuthorizer: true`");
    }
    let mode = session.levels.mode();
    if is_called_here && mode.value == Mode::CookieFirst {
        let message = format!(
            "mode `cookie_first`, as `{}` decides, is for programs that call it themselves",
            mode.level
        );
        section.warn(auth_at(section), message, "requests to it through here carry the token at once");
    }
    let storage = provider.storage;
    if storage.access != Kept::Memory {
        let help = "write `storage: {access: memory}`, or leave it out";
        section.error(auth_at(section), "a session's access tokens are kept in memory alone", help);
    }
    if settings.broker.as_ref().is_some_and(|broker| broker.storage.refresh != storage.refresh) {
        let message = "a session's refresh token is kept where `default` says, not where a provider does";
        section.warn(auth_at(section), message, "say it under `default.mcp.storage`");
    }
}

/// What guards before its token will say of every request.
fn may_have_a_token(section: &Section<'_>, session: &SessionSettings) {
    if session.origins.is_empty() {
        let help = "list where it may: `origins: [https://tools.example.com]`, or add its `url`";
        section.warn(auth_at(section), "its token may go nowhere: `auth_origin_not_allowed`", help);
    }
    let audience = session.audience();
    let is_listed = |audience: &str| session.audiences.iter().any(|allowed| allowed == audience);
    if !session.audiences.is_empty() && !audience.is_some_and(is_listed) {
        let message = "its own `audience` is not among its `audiences`: nobody gets a token, `auth_audience_not_allowed`";
        section.warn(auth_at(section), message, "add it there");
    }
}

/// Sessions are to outlive the process, and so are the refresh tokens behind them.
fn are_kept_somewhere(section: &Section<'_>, broker: &BrokerSettings, settings: &Settings) {
    match broker.storage.of(Purpose::Session) {
        Kept::Encrypted if settings.state.is_none() => {
            let help = "add `state: {backend: file, path: ./state, key: {env: BEARWARD_STATE_KEY}}` with a key from \
                        `bearward keygen`, or `default: {mcp: {storage: {refresh: memory}}}`";
            let message = "sessions are kept in sealed files (storage `refresh: encrypted`), and there is no `state.path`";
            section.error(section.at(), message, help);
        }
        Kept::Keychain => {
            let help = "use storage `{refresh: encrypted}` under `default.mcp`";
            section.error(
                section.at(),
                "the sessions of many users do not go into one user's keychain",
                help,
            );
        }
        Kept::Memory => {
            let help = "use storage `{refresh: encrypted}` under `default.mcp`, so that users stay signed in";
            section.warn(
                section.at(),
                "sessions are kept in memory: everybody is signed out when the process ends",
                help,
            );
        }
        Kept::Encrypted => {}
    }
}
