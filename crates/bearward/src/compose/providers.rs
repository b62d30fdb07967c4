//! Providers: by which grant each has its tokens, where they are kept, and what is attached beside.

use std::collections::HashMap;
use std::sync::Arc;

use bearward_gateway::Provider;
use bearward_gateway::provider::TenantHeaders;
use bearward_gateway::target::Target;
use bearward_issuer::OauthClient;
use bearward_store::{Kept, Purpose, Storage, Store};
use bearward_supply::{
    ClientCredentials, Exchange, Grant, Handle, Label, RefreshTokenGrant, Revoker, Source, StaticToken,
    TokenKey, TokenRequest, Upkeep, Wanted,
};
use bearward_token::{Endpoint, Fingerprint, Issuer};

use super::broker::Broker;
use super::probes::{OwnProbe, PassthroughProbe, ProviderProbe};
use super::tenant_keys::TenantKey;
use super::{Builder, ComposeError};
use crate::config::settings::{
    ActorSettings, ClientSettings, GrantSettings, ProviderSettings, RequestSettings, TenantSettings,
};

impl Builder<'_> {
    /// `broker`: whose sessions some of them live on.
    pub(super) fn provider(
        &self,
        provider: &ProviderSettings,
        broker: Option<&Broker>,
    ) -> Result<Arc<Provider>, ComposeError> {
        let target = provider.url.as_ref().map(|url| Target::new(url.as_str())).transpose();
        let target = target.map_err(|error| ComposeError::Setting(error.to_string()))?;
        let tenant = provider.tenant_headers.as_ref().map(|tenant| self.tenant_headers(provider, tenant));
        let wanted =
            Wanted { min_ttl: provider.min_ttl.access, min_ttl_id: provider.min_ttl.id, ..Wanted::default() };
        let name = provider.name.as_str().into();
        Ok(Arc::new(Provider {
            attached: self.around.observer.metrics().attached(&name),
            name,
            target,
            tokens: self.source(provider, broker)?,
            wanted,
            handed_out_for: provider.hands_out.then(|| provider.audience()).flatten(),
            tenant: tenant.transpose()?,
        }))
    }

    fn source(&self, provider: &ProviderSettings, broker: Option<&Broker>) -> Result<Source, ComposeError> {
        match &provider.grant {
            GrantSettings::ClientCredentials(request) => {
                self.client_credentials(provider, request).map(Source::Shared)
            }
            GrantSettings::RefreshToken { request, given } => {
                let request = Arc::new(self.request(request));
                let store = self.stores.route(&provider.storage, Purpose::RefreshToken)?;
                let revoker = self.revoker(&request);
                let grant = RefreshTokenGrant::new(
                    &provider.name,
                    request,
                    self.secret(given),
                    store,
                    Some(revoker.clone()),
                );
                let key = grant.key();
                self.shared(provider, &key, Arc::new(grant), Some(revoker)).map(Source::Shared)
            }
            GrantSettings::TokenExchange { request, actor, share } => {
                let own = self.exchange(provider, request, actor.as_ref());
                Ok(match share {
                    None => Source::Own(own),
                    Some(share) => {
                        let shared = self.client_credentials(provider, request)?;
                        Source::Staged { own, shared, share: *share }
                    }
                })
            }
            GrantSettings::Session(session) => {
                let missing = || {
                    ComposeError::Setting(format!(
                        "nothing gives sessions to `{}`: add `broker`",
                        provider.name
                    ))
                };
                broker.and_then(|broker| broker.source(&provider.name, session)).ok_or_else(missing)
            }
            GrantSettings::Passthrough { resource } => {
                self.health.register(Arc::new(PassthroughProbe(provider.name.clone())));
                Ok(Source::Passthrough { resource: resource.clone() })
            }
            GrantSettings::Static { token, authority } => {
                let issuer = authority.clone().map_or_else(|| self.origin(provider), Ok)?;
                let key = StaticToken::key(issuer, &provider.name);
                let grant = StaticToken::new(self.secret(token), self.around.clock.clone());
                self.shared(provider, &key, Arc::new(grant), None).map(Source::Shared)
            }
        }
    }

    fn client_credentials(
        &self,
        provider: &ProviderSettings,
        request: &RequestSettings,
    ) -> Result<Handle, ComposeError> {
        let request = Arc::new(self.request(request));
        let revoker = self.revoker(&request);
        let grant = ClientCredentials { request, revoker: Some(revoker.clone()) };
        let key = grant.key();
        self.shared(provider, &key, Arc::new(grant), Some(revoker))
    }

    pub(super) fn exchange(
        &self,
        provider: &ProviderSettings,
        request: &RequestSettings,
        actor: Option<&ActorSettings>,
    ) -> Exchange {
        let actor = actor.map(|actor| {
            let ActorSettings { audience, resource, scopes } = actor.clone();
            let request = self.request(&RequestSettings { audience, resource, scopes, ..request.clone() });
            let grant = ClientCredentials { request: Arc::new(request), revoker: None };
            let key = grant.key();
            self.manager.shelved(&provider.name, &key, Arc::new(grant), Upkeep::OnUse, None)
        });
        let request = Arc::new(self.request(request));
        let revoker = self.revoker(&request);
        let label = Label::new(&provider.name, &self.around.observer);
        let exchange =
            Exchange::new(self.manager.clone(), label, request.clone(), actor, Some(revoker.clone()));
        let (issuer, watched) = (request.metadata.issuer().clone(), exchange.clone());
        self.breakers.watch(&issuer, Box::new(move || watched.is_left_alone()));
        self.health.register(Arc::new(OwnProbe {
            name: format!("{} (callers' own)", provider.name),
            exchange: exchange.clone(),
            issuer,
            credential: request.client.credential.clone(),
            revoker,
            breakers: self.breakers.clone(),
            observer: self.around.observer.clone(),
        }));
        exchange
    }

    /// A token that all share: got at the start and kept fresh, where the settings say so.
    fn shared(
        &self,
        provider: &ProviderSettings,
        key: &TokenKey,
        grant: Arc<dyn Grant>,
        revoker: Option<Arc<Revoker>>,
    ) -> Result<Handle, ComposeError> {
        let upkeep = if provider.prefetch { Upkeep::Always } else { Upkeep::OnUse };
        // What is given stays where it was given.
        let is_kept = provider.storage.access != Kept::Memory && !grant.is_local();
        let store =
            is_kept.then(|| self.stores.route(&provider.storage, Purpose::AccessToken)).transpose()?;
        let handle = self.manager.shelved(&provider.name, key, grant, upkeep, store);
        if let Some(revoker) = &revoker {
            revoker.keep_to_pauses_of(&handle);
        }
        if provider.prefetch {
            handle.prefetch();
            self.warming.borrow_mut().push(handle.clone());
        }
        let observer = self.around.observer.clone();
        let issuer = provider.request().map(|request| request.authority.clone());
        if let Some(issuer) = &issuer {
            let watched = handle.clone();
            self.breakers.watch(issuer, Box::new(move || watched.is_left_alone()));
        }
        let breakers = self.breakers.clone();
        let probe = ProviderProbe { handle: handle.clone(), issuer, revoker, breakers, observer };
        self.health.register(Arc::new(probe));
        Ok(handle)
    }

    pub(super) fn request(&self, request: &RequestSettings) -> TokenRequest {
        TokenRequest {
            metadata: self.metadata(&request.authority),
            token_endpoint: request.token_endpoint.clone(),
            client: self.client(&request.client),
            audience: request.audience.clone(),
            resource: request.resource.clone(),
            scopes: request.scopes.clone(),
            extra: request.extra.clone(),
        }
    }

    pub(super) fn client(&self, client: &ClientSettings) -> OauthClient {
        let (fetch, clock) = (self.fetch.clone(), self.around.clock.clone());
        let credential =
            client.credential.as_ref().map_or_else(super::no_secret, |secret| self.secret(secret));
        OauthClient::new(&client.id, client.auth, credential, fetch, clock)
            .asserting_to(client.assertion_audience.clone())
    }

    /// What waits to be revoked is kept in sealed files where there are any, wherever tokens are: a keychain cannot say what
    /// is in it. Without them it does not outlive the process, and a logout must not fail for that.
    pub(super) fn revoker(&self, request: &Arc<TokenRequest>) -> Arc<Revoker> {
        let sealed = Storage { refresh: Kept::Encrypted, ..Storage::default() };
        let queue: Arc<dyn Store> = match self.stores.route(&sealed, Purpose::Revocation) {
            Ok(store) => store,
            Err(_) => self.stores.memory(),
        };
        Arc::new(Revoker::start(request.clone(), queue))
    }

    /// A refresh token that two spend ends the login of both, also where it is read from two places.
    pub(super) fn logins_are_told_apart(&self) -> Result<(), ComposeError> {
        let mut known: HashMap<Fingerprint, &str> = HashMap::new();
        for provider in &self.settings.providers {
            let GrantSettings::RefreshToken { given, .. } = &provider.grant else { continue };
            let Ok(token) = self.around.secrets.known(given) else { continue };
            if let Some(other) = known.insert(Fingerprint::of(token.expose()), &provider.name) {
                return Err(ComposeError::Setting(format!(
                    "providers `{other}` and `{}` begin with the same refresh token, and each would spend it: give each \
                     a login of its own",
                    provider.name
                )));
            }
        }
        Ok(())
    }

    fn tenant_headers(
        &self,
        provider: &ProviderSettings,
        tenant: &TenantSettings,
    ) -> Result<TenantHeaders, ComposeError> {
        let clock = self.around.clock.clone();
        let (signer, key) = TenantKey::follow(provider, tenant, &self.around.secrets, clock)?;
        self.tenant_keys.borrow_mut().push(key);
        Ok(TenantHeaders { signer, tenant: tenant.tenant.clone() })
    }

    /// For a token of which nobody says who issued it: its destination.
    fn origin(&self, provider: &ProviderSettings) -> Result<Issuer, ComposeError> {
        let url = provider.url.as_ref().map_or("", Endpoint::as_str);
        url.parse().map_err(|error| ComposeError::Setting(format!("{error}")))
    }
}
