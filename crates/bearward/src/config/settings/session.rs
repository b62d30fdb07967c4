//! The application's login: what a broker needs, and what a provider that lives on it says.

use std::time::Duration;

use bearward_client::{Levels, Provider};
use bearward_guard::keys::Algorithm;
use bearward_secrets::SecretRef;
use bearward_store::Storage;
use bearward_token::{Authority, Issuer, Origin, ScopeSet};

use super::{KeysFrom, RequestSettings};

/// The backend-for-frontend: where users sign in, and what their sessions are like.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    /// The client at its issuer, and what its own access token is for; its scopes are those of the sign-in.
    pub request: RequestSettings,
    /// Further parameters of the sign-in.
    pub login_parameters: Vec<(String, String)>,
    /// Where the issuer's keys are.
    pub keys: KeysFrom,
    /// Accepted algorithms of ID tokens; at least one.
    pub algorithms: Vec<Algorithm>,
    /// Where browsers reach the application.
    pub public_origin: Origin,
    /// What the session's cookie is called, without what goes before it.
    pub cookie: String,
    /// How long a session lives without being used.
    pub idle: Duration,
    /// How long it lives at most.
    pub absolute: Duration,
    /// Other origins of the application, whose pages may ask.
    pub origins: Vec<String>,
    /// Where the issuer sends browsers back to after a logout there.
    pub after_logout: Option<String>,
    /// The issuer takes PKCE, whatever its metadata says.
    pub is_pkce_known: bool,
    /// Where sessions and their refresh tokens are kept.
    pub storage: Storage,
}

/// What a provider says whose tokens are those of the user's session.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// Whose tokens it takes.
    pub authority: Issuer,
    /// `audience` of its tokens.
    pub audience: Option<String>,
    /// `resource` of its tokens, verbatim.
    pub resource: Option<String>,
    /// Their scopes.
    pub scopes: ScopeSet,
    /// Where they may go; empty: nowhere.
    pub origins: Vec<Origin>,
    /// What a token may be for; empty: whatever `audience` says.
    pub audiences: Vec<String>,
    /// They may leave for this machine's loopback over plain HTTP.
    pub allow_insecure: bool,
    /// How they are had.
    pub via: Via,
    /// What command line, environment, provider and defaults say of reuse.
    pub levels: Levels,
}

/// How a session's token for a provider is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// It is the session's own access token.
    Login,
    /// For the session's own (RFC 8693).
    TokenExchange,
    /// By the session's refresh token, for another resource (RFC 8707 §2.2).
    RefreshToken,
}

impl BrokerSettings {
    /// Who signs users in.
    pub fn issuer(&self) -> &Issuer {
        &self.request.authority
    }

    /// What the session's own access token is for, as far as that is said.
    pub fn audience(&self) -> Option<&str> {
        self.request.audience.as_deref().or(self.request.resource.as_deref())
    }

    /// Where the issuer sends the browser back to.
    pub fn redirect_uri(&self) -> String {
        format!("{}/auth/callback", self.public_origin)
    }

    pub(super) fn secret(&self) -> Option<&SecretRef> {
        self.request.client.credential.as_ref()
    }

    pub(super) fn secret_mut(&mut self) -> Option<&mut SecretRef> {
        self.request.client.credential.as_mut()
    }
}

impl SessionSettings {
    /// What its tokens are for, as far as that is said.
    pub fn audience(&self) -> Option<&str> {
        self.audience.as_deref().or(self.resource.as_deref())
    }

    /// As programs see it that call it; `login` is what the session's own token is for.
    pub fn provider(&self, name: &str, login: Option<&str>) -> Provider {
        Provider {
            name: name.into(),
            authority: Authority::of_issuer(self.authority.clone()),
            origins: self.origins.clone(),
            audience: self.audience().or(login).unwrap_or_default().into(),
            audiences: self.audiences.clone(),
            allow_insecure: self.allow_insecure,
            choice: self.levels.provider,
        }
    }
}

impl Via {
    /// As the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::TokenExchange => "token_exchange",
            Self::RefreshToken => "refresh_token",
        }
    }
}

impl std::str::FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Login, Self::TokenExchange, Self::RefreshToken];
        let found = known.into_iter().find(|via| via.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no way to a session's token"))
    }
}
