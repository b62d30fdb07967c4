//! The broker: where users sign in, and what their sessions get tokens for.

mod endpoints;
mod tokens;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bearward_broker::session_tokens::Parts;
use bearward_broker::{
    Application, Attempts, Lives, Login, ProviderLogins, SessionTokens, Sessions, Unended,
};
use bearward_guard::limits::{LimitSettings, Limits, Rate};
use bearward_guard::security_event::Sender;
use bearward_guard::{Expectations, IdTokens, TrustedIssuer};
use bearward_observe::Denial;
use bearward_store::Purpose;
use bearward_supply::{Exchange, Label, Source};
use bearward_token::ScopeSet;

use super::{Builder, ComposeError};
use crate::config::settings::{BrokerSettings, RequestSettings, SessionSettings};
use endpoints::cookies;

/// How often one address may begin one: a household behind one address signs in all at once, and nobody goes on so.
const ATTEMPTS: Rate = Rate {
    count: NonZeroU32::new(30).unwrap(),
    per: Duration::from_secs(60),
    burst: NonZeroU32::new(60).unwrap(),
};
/// What a session's own tokens are counted under.
const LABEL: &str = "broker";

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
        let revoker = self.revoker(&request);
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
                revoker: Some(revoker.clone()),
                request: request.clone(),
            },
            sessions: Sessions::new(sessions, clock.clone(), issuer, client, lives, self.revocations.clone()),
            tokens: SessionTokens::new(Parts {
                manager: self.manager.clone(),
                label: Label::new(LABEL, &observer),
                store: self.stores.route(&broker.storage, Purpose::RefreshToken)?,
                revoker: Some(revoker),
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
            unended: Unended::default(),
            observer,
            clock,
        };
        Ok(Some(Broker { application: Arc::new(application), exchanges }))
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
