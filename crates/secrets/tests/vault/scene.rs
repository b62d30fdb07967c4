//! A Vault with one secret, and Bearward's side of it.

use std::sync::Arc;
use std::time::Duration;

use bearward_secrets::{SecretError, SecretRef, Secrets, StoreSettings, VaultAuth, VaultRef, VaultSettings};
use bearward_testbed::vault::{Builder, Place, Vault};
use bearward_token::{Clock, ManualClock};

pub(crate) const REFRESH: Duration = Duration::from_secs(30);
pub(crate) const LEASE: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
/// What may be read by whom the tests make.
pub(crate) const NOTES: &str = "kv/data/notes/*";

pub(crate) struct Scene {
    pub(crate) vault: Vault,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) secrets: Secrets,
}

impl Scene {
    /// An AppRole may read `kv/notes/client`, whose field `client_secret` is `wonderland`.
    pub(crate) async fn new() -> Self {
        Self::with(|vault| vault, |_| {}).await
    }

    pub(crate) async fn with(
        build: impl FnOnce(Builder) -> Builder,
        bend: impl FnOnce(&mut VaultSettings),
    ) -> Self {
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let vault = build(Vault::builder().lease(LEASE, DAY).clock(clock.clone())).start().await.unwrap();
        vault.approle("notes-gateway", "the-secret-id", &[NOTES]);
        vault.put("kv", "notes/client", &[("client_secret", "wonderland"), ("other", "looking-glass")]);
        let mut settings = VaultSettings {
            address: vault.address().parse().unwrap(),
            namespace: None,
            auth: VaultAuth::AppRole {
                mount: "approle".into(),
                role_id: "notes-gateway".into(),
                secret_id: SecretRef::Env("SECRET_ID".into()),
            },
            ca_certificate: None,
            refresh: REFRESH,
        };
        bend(&mut settings);
        let secrets = secrets(settings, clock.clone());
        Self { vault, clock, secrets }
    }

    pub(crate) async fn read(&self) -> Result<String, SecretError> {
        self.read_at("kv", "notes/client", "client_secret").await
    }

    pub(crate) async fn read_at(&self, mount: &str, path: &str, field: &str) -> Result<String, SecretError> {
        let secret = self.secrets.read(&at(mount, path, field)).await?;
        Ok(secret.expose().to_owned())
    }

    /// Logins, renewals and reads so far.
    pub(crate) fn asked(&self) -> [u64; 3] {
        [Place::Login, Place::Renewal, Place::Read].map(|place| self.vault.asked(place))
    }

    /// What is known becomes old.
    pub(crate) fn later(&self) {
        self.clock.advance(REFRESH);
    }
}

pub(crate) fn secrets(settings: VaultSettings, clock: Arc<dyn Clock>) -> Secrets {
    let environment = [("SECRET_ID", "the-secret-id"), ("WRONG_ID", "another-secret-id")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let stores = StoreSettings { vault: Some(settings), ..StoreSettings::default() };
    Secrets::with_stores(environment.into(), stores, clock)
}

pub(crate) fn at(mount: &str, path: &str, field: &str) -> SecretRef {
    SecretRef::Vault(VaultRef::new(mount, path, field).unwrap())
}

pub(crate) fn said(text: &str) -> Result<String, SecretError> {
    Ok(text.to_owned())
}
