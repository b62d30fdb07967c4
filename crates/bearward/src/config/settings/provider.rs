//! One outbound destination: where its tokens come from, and what is done with them.

use std::time::Duration;

use bearward_issuer::ClientAuth;
use bearward_secrets::SecretRef;
use bearward_store::Storage;
use bearward_token::{Endpoint, Issuer, ScopeSet, Share};

use super::{SessionSettings, Setting};

/// One outbound destination.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Its name.
    pub name: String,
    /// Its base URL: HTTPS, or loopback with `allowInsecure`. Without one it cannot be called through the sidecar.
    pub url: Option<Endpoint>,
    /// How its tokens are had.
    pub grant: GrantSettings,
    /// Whether its token is got at the start and kept fresh while nobody asks.
    pub prefetch: bool,
    /// Where its tokens are kept.
    pub storage: Storage,
    /// Time that its tokens should have left.
    pub min_ttl: MinTtl,
    /// Whether programs may ask for the token itself.
    pub hands_out: bool,
    /// Signed tenant headers.
    pub tenant_headers: Option<TenantSettings>,
    /// All that it says and does not say, with who decided.
    pub explained: Vec<Setting>,
}

/// How tokens are had.
#[derive(Debug, Clone)]
pub enum GrantSettings {
    /// One for all, by the client's own credential.
    ClientCredentials(RequestSettings),
    /// One for all, of a login that somebody began.
    RefreshToken {
        /// What is asked for.
        request: RequestSettings,
        /// The refresh token that it began with.
        given: SecretRef,
    },
    /// Each caller's own.
    TokenExchange {
        /// What is asked for.
        request: RequestSettings,
        /// For what the client asks a token that says who acts; absent: nothing says so.
        actor: Option<ActorSettings>,
        /// For whom; the others share one by the client's own credential. Absent: for everybody.
        share: Option<Share>,
    },
    /// Each user's own, of the session that they have at the application.
    Session(SessionSettings),
    /// The caller's very token.
    Passthrough {
        /// What it must have been issued for.
        resource: String,
    },
    /// A token that was given.
    Static {
        /// Where it is.
        token: SecretRef,
        /// Who issued it, if that is said.
        authority: Option<Issuer>,
    },
}

/// What is asked for at a token endpoint.
#[derive(Debug, Clone)]
pub struct RequestSettings {
    /// Who issues the tokens.
    pub authority: Issuer,
    /// Where; discovered when absent.
    pub token_endpoint: Option<Endpoint>,
    /// As whom they are asked for.
    pub client: ClientSettings,
    /// `audience` parameter.
    pub audience: Option<String>,
    /// `resource` parameter, verbatim.
    pub resource: Option<String>,
    /// `scope` parameter.
    pub scopes: ScopeSet,
    /// Further parameters of the token request.
    pub extra: Vec<(String, String)>,
}

/// For what the token is that says who acts.
#[derive(Debug, Clone, Default)]
pub struct ActorSettings {
    /// `audience` parameter.
    pub audience: Option<String>,
    /// `resource` parameter, verbatim.
    pub resource: Option<String>,
    /// `scope` parameter.
    pub scopes: ScopeSet,
}

/// Time that tokens should have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MinTtl {
    /// Access tokens.
    pub access: Duration,
    /// ID tokens.
    pub id: Duration,
}

/// A client at an authorization server.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// `client_id`.
    pub id: String,
    /// How it proves itself.
    pub auth: ClientAuth,
    /// Its secret, or its private key in PEM; `None` for a public client, which has none.
    pub credential: Option<SecretRef>,
    /// `aud` of its assertions; absent: the issuer.
    pub assertion_audience: Option<String>,
}

/// Signed tenant headers.
#[derive(Debug, Clone)]
pub struct TenantSettings {
    /// Header names begin with it.
    pub prefix: String,
    /// The key.
    pub secret: SecretRef,
    /// Whose tenant.
    pub tenant: bearward_gateway::provider::TenantFrom,
}

impl ProviderSettings {
    /// What it asks for, where it asks at all.
    pub fn request(&self) -> Option<&RequestSettings> {
        self.grant.request()
    }

    /// What its tokens are for, as far as that is said.
    pub fn audience(&self) -> Option<String> {
        if let GrantSettings::Session(session) = &self.grant {
            return session.audience().map(str::to_owned);
        }
        let request = self.request()?;
        request.audience.clone().or_else(|| request.resource.clone())
    }

    /// Every secret, with what it is for.
    pub(super) fn secrets(&self) -> Vec<(String, &SecretRef)> {
        let name = format!("provider `{}`", self.name);
        let client = self.request().and_then(|request| request.client.credential.as_ref());
        let given = match &self.grant {
            GrantSettings::RefreshToken { given, .. } => Some((format!("refresh token of {name}"), given)),
            GrantSettings::Static { token, .. } => Some((format!("token of {name}"), token)),
            _ => None,
        };
        let tenant = self.tenant_headers.as_ref();
        let tenant = tenant.map(|tenant| (format!("tenant headers of {name}"), &tenant.secret));
        client.map(|client| (name, client)).into_iter().chain(given).chain(tenant).collect()
    }

    pub(super) fn secrets_mut(&mut self) -> impl Iterator<Item = &mut SecretRef> {
        let (client, given) = match &mut self.grant {
            GrantSettings::ClientCredentials(request) | GrantSettings::TokenExchange { request, .. } => {
                (request.client.credential.as_mut(), None)
            }
            GrantSettings::RefreshToken { request, given } => {
                (request.client.credential.as_mut(), Some(given))
            }
            GrantSettings::Static { token, .. } => (None, Some(token)),
            GrantSettings::Passthrough { .. } | GrantSettings::Session(_) => (None, None),
        };
        let tenant = self.tenant_headers.as_mut().map(|tenant| &mut tenant.secret);
        client.into_iter().chain(given).chain(tenant)
    }
}

impl GrantSettings {
    /// What it asks for, where it asks at all.
    pub fn request(&self) -> Option<&RequestSettings> {
        match self {
            Self::ClientCredentials(request)
            | Self::RefreshToken { request, .. }
            | Self::TokenExchange { request, .. } => Some(request),
            Self::Passthrough { .. } | Self::Static { .. } | Self::Session(_) => None,
        }
    }

    /// True when a token that is asked for here is the caller's own, for some callers at least.
    pub fn is_callers_own(&self) -> bool {
        matches!(self, Self::TokenExchange { .. } | Self::Passthrough { .. } | Self::Session(_))
    }

    /// True when there is a token that calls without a caller can use.
    pub fn has_shared(&self) -> bool {
        !matches!(self, Self::TokenExchange { share: None, .. } | Self::Passthrough { .. } | Self::Session(_))
    }

    /// As the configuration writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ClientCredentials(_) => "client_credentials",
            Self::RefreshToken { .. } => "refresh_token",
            Self::TokenExchange { .. } => "token_exchange",
            Self::Session(_) => "session",
            Self::Passthrough { .. } => "passthrough",
            Self::Static { .. } => "static",
        }
    }
}
