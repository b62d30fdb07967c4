//! Who is known to the server: clients and users.

use std::collections::BTreeMap;

use serde_json::Value;

/// A registered client.
#[derive(Debug, Clone)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// How it authenticates.
    pub auth: ClientAuth,
    /// Grant types it may use; empty: all.
    pub grants: Vec<String>,
    /// Audiences and resources it may ask for; empty: all.
    pub audiences: Vec<String>,
    /// Of those, what its refresh tokens serve although the login was not for it, as Auth0's multi-resource refresh tokens
    /// do and Entra's.
    pub also_by_refresh: Vec<String>,
    /// Scopes it may have; empty: all.
    pub scopes: Vec<String>,
    /// Redirect URIs, compared exactly.
    pub redirect_uris: Vec<String>,
    /// Claims added to every token of its own.
    pub claims: BTreeMap<String, Value>,
}

/// How a client authenticates (RFC 6749 §2.3, RFC 7523).
#[derive(Clone)]
pub enum ClientAuth {
    /// `client_secret_basic` alone.
    SecretBasic(String),
    /// `client_secret_post` alone.
    SecretPost(String),
    /// `private_key_jwt`, verified with this public JWK.
    PrivateKeyJwt(Value),
    /// A public client: `none`, PKCE required.
    Public,
}

impl std::fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SecretBasic(_) => "SecretBasic",
            Self::SecretPost(_) => "SecretPost",
            Self::PrivateKeyJwt(_) => "PrivateKeyJwt",
            Self::Public => "Public",
        })
    }
}

impl Client {
    /// A client that may do everything its authentication allows.
    pub fn new(id: &str, auth: ClientAuth) -> Self {
        Self {
            id: id.into(),
            auth,
            grants: Vec::new(),
            audiences: Vec::new(),
            also_by_refresh: Vec::new(),
            scopes: Vec::new(),
            redirect_uris: Vec::new(),
            claims: BTreeMap::new(),
        }
    }

    /// Only these grant types.
    #[must_use]
    pub fn grants(mut self, grants: &[&str]) -> Self {
        self.grants = grants.iter().map(ToString::to_string).collect();
        self
    }

    /// Only these audiences.
    #[must_use]
    pub fn audiences(mut self, audiences: &[&str]) -> Self {
        self.audiences = audiences.iter().map(ToString::to_string).collect();
        self
    }

    /// Its refresh tokens serve these too, whatever the login was for.
    #[must_use]
    pub fn also_by_refresh(mut self, audiences: &[&str]) -> Self {
        self.also_by_refresh = audiences.iter().map(ToString::to_string).collect();
        self
    }

    /// Only these scopes.
    #[must_use]
    pub fn scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes = scopes.iter().map(ToString::to_string).collect();
        self
    }

    /// May be redirected to.
    #[must_use]
    pub fn redirect_uri(mut self, uri: &str) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    /// A claim in its own tokens.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }
}

/// A person who can sign in at the login page.
#[derive(Debug, Clone)]
pub struct User {
    /// The login name, also `sub`.
    pub name: String,
    /// The password. Only for tests: kept as it is.
    pub password: String,
    /// Claims added to every token that speaks for the user, such as `org_id`.
    pub claims: BTreeMap<String, Value>,
}

impl User {
    /// A user without extra claims.
    pub fn new(name: &str, password: &str) -> Self {
        Self { name: name.into(), password: password.into(), claims: BTreeMap::new() }
    }

    /// A claim in the user's tokens.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }
}
