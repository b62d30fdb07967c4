//! What the broker's sessions get tokens for, and how each of them is had.

use bearward_broker::{Brokered, By, Providers};
use bearward_client::Level;
use bearward_observe::Denial;
use bearward_supply::{Exchange, Label, Target, Wanted};
use bearward_token::Authority;

use crate::compose::Builder;
use crate::config::settings::{
    BrokerSettings, GrantSettings, ProviderSettings, RequestSettings, SessionSettings, Via,
};

impl Builder<'_> {
    /// How a user's token is exchanged for each provider, be it a session's or one that a caller of the gateway came with.
    pub(super) fn exchanges(&self, broker: &BrokerSettings) -> Vec<(String, Exchange)> {
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
    pub(super) fn more_resources(&self, broker: &BrokerSettings) -> Vec<String> {
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

    pub(super) fn brokered(&self, broker: &BrokerSettings, exchanges: &[(String, Exchange)]) -> Providers {
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
