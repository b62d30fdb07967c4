//! Keys of tenant headers: read anew while the server runs, so that a rotated one is used without a restart.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bearward_secrets::{SecretRef, Secrets};
use bearward_supply::TenantSigner;
use bearward_token::{Clock, Fingerprint};
use tokio::task::AbortHandle;

use super::ComposeError;
use crate::config::settings::{ProviderSettings, TenantSettings};

/// Between two looks. Nobody answers whether a key is right, so both must be taken by the API for so long.
const LOOK: Duration = Duration::from_secs(10);

/// Follows one key until it is dropped.
#[derive(Debug)]
pub struct TenantKey {
    task: AbortHandle,
}

impl TenantKey {
    /// A signer with the key as it is now, which changes with it.
    pub(super) fn follow(
        provider: &ProviderSettings,
        tenant: &TenantSettings,
        secrets: &Secrets,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<ArcSwap<TenantSigner>>, Self), ComposeError> {
        let what = || format!("tenantHeaders of provider {}", provider.name);
        let key =
            secrets.known(&tenant.secret).map_err(|source| ComposeError::Secret { what: what(), source })?;
        let signer = TenantSigner::new(&tenant.prefix, &key)
            .map_err(|error| ComposeError::Setting(error.to_string()))?;
        let signer = Arc::new(ArcSwap::from_pointee(signer));
        let following = Following {
            prefix: tenant.prefix.clone(),
            reference: tenant.secret.clone(),
            known: Fingerprint::of(key.expose()),
            signer: signer.clone(),
            provider: provider.name.clone(),
        };
        let task = tokio::spawn(following.go_on(secrets.clone(), clock)).abort_handle();
        Ok((signer, Self { task }))
    }
}

impl Drop for TenantKey {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Following {
    prefix: String,
    reference: SecretRef,
    known: Fingerprint,
    signer: Arc<ArcSwap<TenantSigner>>,
    provider: String,
}

impl Following {
    async fn go_on(mut self, secrets: Secrets, clock: Arc<dyn Clock>) {
        loop {
            clock.sleep(LOOK).await;
            match secrets.read(&self.reference).await {
                // A file that is being written is empty for a moment.
                Ok(key) if key.expose().is_empty() => {}
                Ok(key) if Fingerprint::of(key.expose()) != self.known => {
                    self.known = Fingerprint::of(key.expose());
                    if let Ok(signer) = TenantSigner::new(&self.prefix, &key) {
                        self.signer.store(Arc::new(signer));
                        tracing::info!(provider = self.provider, "tenant headers are signed with a new key");
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(provider = self.provider, %error, "the key of tenant headers is not read anew; the old one is used");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bearward_token::ManualClock;

    use super::*;

    #[tokio::test]
    async fn a_key_that_is_replaced_signs_without_a_restart_and_one_that_is_gone_or_empty_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "old").unwrap();
        let clock = Arc::new(ManualClock::at_unix_ms(0));
        let secrets = Secrets::new(Default::default());
        let following = Following {
            prefix: "X-TB".into(),
            reference: SecretRef::File(file.clone()),
            known: Fingerprint::of("old"),
            signer: Arc::new(ArcSwap::from_pointee(signer("old"))),
            provider: "notes".into(),
        };
        let current = following.signer.clone();
        let task = tokio::spawn(following.go_on(secrets, clock.clone()));
        let signed = |signer: &TenantSigner| signer.sign("acme", 0).unwrap();
        for (text, expected) in
            [(Some("new"), "new"), (Some(""), "new"), (None, "new"), (Some("newer"), "newer")]
        {
            match text {
                Some(text) => std::fs::write(&file, text).unwrap(),
                None => std::fs::remove_file(&file).unwrap(),
            }
            let began = std::time::Instant::now();
            // What changes nothing has its time as well.
            for turn in 0.. {
                let is_there = signed(&current.load()) == signed(&signer(expected));
                if (is_there && turn > 1000) || began.elapsed().as_secs() > 10 {
                    break;
                }
                clock.advance(LOOK);
                tokio::task::yield_now().await;
            }
            assert_eq!(signed(&current.load()), signed(&signer(expected)), "{text:?}");
        }
        task.abort();
    }

    fn signer(key: &str) -> TenantSigner {
        TenantSigner::new("X-TB", &bearward_token::ClientSecret::new(key)).unwrap()
    }
}
