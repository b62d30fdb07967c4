//! HashiCorp Vault: secrets of a KV version 2 engine, read with a token that is logged in for, renewed and replaced.

mod answer;
mod api;
mod login;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bearward_token::{ClientSecret, Clock, Endpoint};
use tokio::sync::OnceCell;

use self::api::Api;
use self::session::Session;
use crate::local::Local;
use crate::{SecretError, SecretRef, Store, VaultRef};

/// Where Vault is and how it is logged in to.
#[derive(Debug, Clone)]
pub struct VaultSettings {
    /// Its address, such as `https://vault.example.com:8200`.
    pub address: Endpoint,
    /// The namespace of Vault Enterprise or HCP.
    pub namespace: Option<String>,
    /// How it is logged in to.
    pub auth: VaultAuth,
    /// Certificate authorities in PEM, trusted for Vault instead of the system's.
    pub ca_certificate: Option<PathBuf>,
    /// So long a secret counts without a question.
    pub refresh: Duration,
}

/// How Vault is logged in to.
#[derive(Debug, Clone)]
pub enum VaultAuth {
    /// By an AppRole.
    AppRole {
        /// Where the method is mounted; usually `approle`.
        mount: String,
        /// Which role.
        role_id: String,
        /// Its secret id: a variable or a file, read anew for each login.
        secret_id: SecretRef,
    },
    /// By the token of a Kubernetes service account.
    Kubernetes {
        /// Where the method is mounted; usually `kubernetes`.
        mount: String,
        /// Which role.
        role: String,
        /// The service account's token: a variable or a file, read anew for each login.
        token: SecretRef,
    },
    /// By a token of Vault itself, such as the one that Vault Agent keeps in a file: a variable or a file.
    Token(SecretRef),
}

impl VaultAuth {
    /// What is shown to Vault.
    pub fn secret(&self) -> &SecretRef {
        match self {
            Self::AppRole { secret_id: secret, .. }
            | Self::Kubernetes { token: secret, .. }
            | Self::Token(secret) => secret,
        }
    }

    /// The same, to make its path absolute.
    pub fn secret_mut(&mut self) -> &mut SecretRef {
        match self {
            Self::AppRole { secret_id: secret, .. }
            | Self::Kubernetes { token: secret, .. }
            | Self::Token(secret) => secret,
        }
    }
}

/// One Vault.
pub(crate) struct Vault {
    settings: VaultSettings,
    /// Made when the first secret is read.
    api: OnceCell<Api>,
    session: Session,
}

impl Vault {
    pub(crate) fn new(settings: VaultSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, api: OnceCell::new(), session: Session::new(clock) }
    }

    pub(crate) fn refresh(&self) -> Duration {
        self.settings.refresh
    }

    /// Ends the token, if it was logged in for here; who gave one ends it, too.
    pub(crate) async fn close(&self) -> Result<(), SecretError> {
        let token = self.session.close().await;
        match (self.api.get(), token, &self.settings.auth) {
            (_, _, VaultAuth::Token(_)) | (None, _, _) | (_, None, _) => Ok(()),
            (Some(api), Some(token), _) => api.revoke(&token).await,
        }
    }

    /// Sees to the token while nobody reads; answers with how long that is not needed again, if it ever is.
    pub(crate) async fn keep(&self, local: &Local) -> Option<Duration> {
        // Before the first read there is none.
        let api = self.api.get()?;
        self.session.keep(api, &self.settings.auth, local).await
    }

    /// Reads a field. What is denied is asked once more with a new token: the old one may have been revoked.
    pub(crate) async fn read(
        &self,
        reference: &SecretRef,
        place: &VaultRef,
        local: &Local,
    ) -> Result<ClientSecret, SecretError> {
        let api = self.api.get_or_try_init(|| Api::new(&self.settings)).await?;
        let auth = &self.settings.auth;
        let token = self.session.token(api, auth, local).await?;
        match api.read(reference, place, &token).await {
            Err(SecretError::Denied { .. }) if self.session.replaces(&token).await => {
                let token = self.session.token(api, auth, local).await?;
                api.read(reference, place, &token).await
            }
            outcome => outcome,
        }
    }
}

/// What it is reached with is not as it must be.
fn setup(reason: String) -> SecretError {
    SecretError::Setup { store: Store::Vault, reason }
}
