//! The broker: where users sign in, and what their sessions get tokens for.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bearward_broker::session_tokens::Parts;
use bearward_broker::{
    Application, Attempts, Brokered, By, CameFrom, CookieRules, Lives, Login, ProviderLogins, Providers,
    SameSite, SessionTokens, Sessions,
};
use bearward_client::Level;
use bearward_gateway::Pages;
use bearward_gateway::address::TrustedProxies;
use bearward_gateway::body::{Body, BodyError};
use bearward_gateway::browser::BrowserRules;
use bearward_gateway::pages::{Answering, Endpoints};
use bearward_guard::limits::{LimitSettings, Limits, Rate};
use bearward_guard::security_event::Sender;
use bearward_guard::{Expectations, IdTokens, TrustedIssuer};
use bearward_observe::Denial;
use bearward_store::Purpose;
use bearward_supply::{Exchange, Label, Source, Target, Wanted};
use bearward_token::{Authority, ScopeSet};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower::ServiceExt;

use super::{Builder, ComposeError};
use crate::config::settings::{
    BrokerSettings, GrantSettings, ProviderSettings, RequestSettings, SessionSettings, Via,
};

/// How often one address may begin one: a household behind one address signs in all at once, and nobody goes on so.
const ATTEMPTS: Rate = Rate {
    count: NonZeroU32::new(30).unwrap(),
    per: Duration::from_secs(60),
    burst: NonZeroU32::new(60).unwrap(),
};
/// What a session's own tokens are counted under.
const LABEL: &str = "broker";
/// The cookie of a browser in which somebody signs in.
const LOGIN_COOKIE: &str = "login";

/// The broker of this process.
pub(super) struct Broker {
    pub(super) application: Arc<Application>,
    /// For callers of the gateway that bring no session, by provider.
    exchanges: Vec<(String, Exchange)>,
}

impl Builder<'_> {
    /// The broker, if the settings have one.
    pub(super) fn broker(&self) -> Result<Option<Broker>, ComposeError> {
        let Some(broker) = &self.settings.broker else { return Ok(None) };
        let (clock, observer) = (self.around.clock.clone(), self.around.observer.clone());
        // Refreshed tokens keep the scopes of the sign-in.
        let request = RequestSettings { scopes: ScopeSet::default(), ..broker.request.clone() };
        let request = Arc::new(self.request(&request));
        let (issuer, client) = (broker.issuer().clone(), request.client.id.clone());
        let trusted = self.trusted(broker);
        let lives = Lives { idle: broker.idle, absolute: broker.absolute };
        let sessions = self.stores.route(&broker.storage, Purpose::Session)?;
        let (session_cookie, browser_cookie) = cookies(broker);
        let exchanges = self.exchanges(broker);
        let limit = LimitSettings { failures_per_address: Some(ATTEMPTS), ..LimitSettings::default() };
        let application = Application {
            login: Login {
                scopes: broker.request.scopes.clone(),
                more_resources: self.more_resources(broker),
                extra: broker.login_parameters.clone(),
                redirect_uri: broker.redirect_uri(),
                is_pkce_known: broker.is_pkce_known,
                id_tokens: IdTokens::new(trusted, client.as_str(), clock.clone()),
                attempts: Attempts::new(clock.clone()),
                request: request.clone(),
            },
            sessions: Sessions::new(sessions, clock.clone(), issuer, client, lives, self.revocations.clone()),
            tokens: SessionTokens::new(Parts {
                manager: self.manager.clone(),
                label: Label::new(LABEL, &observer),
                store: self.stores.route(&broker.storage, Purpose::RefreshToken)?,
                revoker: Some(self.revoker(&request)),
                request,
                kept_for: broker.absolute,
            }),
            providers: self.brokered(broker, &exchanges),
            session_cookie,
            browser_cookie,
            session_life: broker.absolute,
            after_logout: broker.after_logout.clone(),
            home: broker.public_origin.to_string(),
            origins: broker.origins.clone(),
            attempts_from: Limits::new(&limit, clock.clone()),
            observer,
            clock,
        };
        Ok(Some(Broker { application: Arc::new(application), exchanges }))
    }

    /// The broker's endpoints, for the listener of the guards.
    pub(super) fn pages(&self, broker: &Broker) -> Result<Pages, ComposeError> {
        let router = bearward_broker::router(broker.application.clone()).map_err(ComposeError::Setting)?;
        let server = &self.settings.server;
        let public =
            self.settings.broker.iter().filter_map(|broker| broker.public_origin.as_str().split_once("://"));
        let hosts = public.map(|(_, host)| host.to_owned()).chain(server.allowed_hosts.clone()).collect();
        Ok(Pages {
            endpoints: Box::new(BrokerEndpoints(router)),
            browser: BrowserRules {
                origins: Vec::new(),
                hosts,
                on_loopback: server.listen.ip().is_loopback(),
            },
            proxies: TrustedProxies(server.trusted_proxies.clone()),
        })
    }

    /// Who signs users in, and tells of sessions that have ended there.
    fn trusted(&self, broker: &BrokerSettings) -> Arc<TrustedIssuer> {
        let trusted = Arc::new(TrustedIssuer {
            issuer: broker.issuer().clone(),
            keys: Some(self.keys(broker.issuer(), &broker.keys)),
            opaque: None,
            algorithms: broker.algorithms.clone(),
            expectations: Expectations::for_audiences(Vec::new()),
        });
        let mut senders = self.senders.borrow_mut();
        let client = broker.request.client.id.clone();
        match senders.iter_mut().find(|sender| sender.issuer.issuer == *broker.issuer()) {
            Some(known) => known.logout_audiences.push(client),
            None => senders.push(Sender {
                issuer: trusted.clone(),
                logout_audiences: vec![client],
                event_audiences: Vec::new(),
            }),
        }
        trusted
    }

    /// How a user's token is exchanged for each provider, be it a session's or one that a caller of the gateway came with.
    fn exchanges(&self, broker: &BrokerSettings) -> Vec<(String, Exchange)> {
        let exchange = |(provider, session): (&ProviderSettings, &SessionSettings)| {
            // Its own, or the sign-in's: a token for both would open the one to whoever has the other's.
            let (audience, resource) = match session.audience() {
                Some(_) => (session.audience.clone(), session.resource.clone()),
                None => (broker.request.audience.clone(), broker.request.resource.clone()),
            };
            let request = RequestSettings {
                audience,
                resource,
                scopes: session.scopes.clone(),
                ..broker.request.clone()
            };
            (provider.name.clone(), self.exchange(provider, &request, None))
        };
        self.of_sessions().map(exchange).collect()
    }

    /// What the sign-in names beside the session's own: what providers have asked for by its refresh token.
    fn more_resources(&self, broker: &BrokerSettings) -> Vec<String> {
        let by_refresh = self.of_sessions().filter(|(_, session)| session.via == Via::RefreshToken);
        let mut resources: Vec<_> = by_refresh
            .filter(|(provider, session)| denial(broker, &provider.name, session).is_none())
            .filter_map(|(_, session)| session.resource.clone())
            .filter(|resource| Some(resource) != broker.request.resource.as_ref())
            .collect();
        resources.sort_unstable();
        resources.dedup();
        resources
    }

    fn brokered(&self, broker: &BrokerSettings, exchanges: &[(String, Exchange)]) -> Providers {
        let brokered = |((provider, session), (_, exchange)): (
            (&ProviderSettings, &SessionSettings),
            &(String, Exchange),
        )| {
            let by = match session.via {
                Via::Login => By::Login,
                Via::RefreshToken => By::Refresh {
                    label: Label::new(&provider.name, &self.around.observer),
                    target: Target {
                        audience: session.audience.clone(),
                        resource: session.resource.clone(),
                        scopes: session.scopes.clone(),
                        extra: broker.request.extra.clone(),
                    },
                },
                Via::TokenExchange => {
                    By::Exchange { issuer: broker.issuer().clone(), exchange: Box::new(exchange.clone()) }
                }
            };
            Brokered {
                name: provider.name.as_str().into(),
                audience: session.audience().or(broker.audience()).unwrap_or_default().to_owned(),
                denial: denial(broker, &provider.name, session),
                scopes: session.scopes.clone(),
                by,
                wanted: Wanted {
                    min_ttl: provider.min_ttl.access,
                    min_ttl_id: provider.min_ttl.id,
                    ..Wanted::default()
                },
            }
        };
        Providers::new(self.of_sessions().zip(exchanges).map(brokered).collect())
    }

    fn of_sessions(&self) -> impl Iterator<Item = (&ProviderSettings, &SessionSettings)> {
        self.settings.providers.iter().filter_map(|provider| match &provider.grant {
            GrantSettings::Session(session) => Some((provider, session)),
            _ => None,
        })
    }
}

impl Broker {
    /// Where the tokens of a gateway's requests to a provider come from.
    pub(super) fn source(&self, name: &str, session: &SessionSettings) -> Option<Source> {
        let (_, own) = self.exchanges.iter().find(|(known, _)| known == name)?;
        let denial = (!session.levels.reuse().value).then_some(Denial::ReuseDisabled);
        let logins = ProviderLogins::new(self.application.clone(), name, denial);
        Some(Source::Session { logins: Arc::new(logins), own: own.clone() })
    }
}

/// Why sessions get no token for a provider, in the order in which guards look. Programs ask with a decision of their own,
/// which may be another than this configuration's; what an operator of this process said on its command line or in its
/// environment ends it for all of them.
fn denial(broker: &BrokerSettings, name: &str, session: &SessionSettings) -> Option<Denial> {
    let reuse = session.levels.reuse();
    if !reuse.value && matches!(reuse.level, Level::Cli | Level::Env) {
        return Some(Denial::ReuseDisabled);
    }
    if session.origins.is_empty() {
        return Some(Denial::OriginNotAllowed);
    }
    let provider = session.provider(name, broker.audience());
    provider.takes_tokens_of(&Authority::of_issuer(broker.issuer().clone())).err()
}

/// The session's, and the browser's in which somebody signs in.
fn cookies(broker: &BrokerSettings) -> (CookieRules, CookieRules) {
    let login = format!("{}-{LOGIN_COOKIE}", broker.cookie);
    if broker.public_origin.is_plain_http() {
        return (CookieRules::for_development(&broker.cookie), CookieRules::for_development(&login));
    }
    (CookieRules::secure(&broker.cookie, SameSite::Lax), CookieRules::secure(&login, SameSite::Lax))
}

/// The broker's router, as the gateway's listener calls it.
struct BrokerEndpoints(Router);

impl Endpoints for BrokerEndpoints {
    fn answer(&self, request: http::Request<Incoming>, from: Option<IpAddr>) -> Answering<'_> {
        let mut request = request.map(axum::body::Body::new);
        if let Some(from) = from {
            request.extensions_mut().insert(CameFrom(from));
        }
        let answering = self.0.clone().oneshot(request);
        Box::pin(async move {
            let answer = answering.await.unwrap_or_else(|never| match never {});
            answer.map(|body| -> Body { body.map_err(BodyError::from).boxed_unsync() })
        })
    }
}

impl fmt::Debug for BrokerEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrokerEndpoints")
    }
}
