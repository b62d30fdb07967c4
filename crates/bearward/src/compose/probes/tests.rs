#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use bearward_secrets::{SecretRef, VaultRef};
use bearward_supply::grant::Requesting;
use bearward_supply::{Failure, Grant, Granted, KeyParts, TokenKey, TokenManager, Wanted};
use bearward_token::{AccessToken, Fingerprint, ManualClock};

use super::*;

#[tokio::test]
async fn a_store_of_secrets_that_cannot_be_asked_is_degraded_and_not_down() {
    let secrets = Secrets::new([("SET".to_owned(), "x".to_owned())].into());
    let probe = SecretsProbe(secrets.clone());
    assert_eq!(probe.condition(), Condition::Ready);
    secrets.read(&SecretRef::Env("UNSET".into())).await.unwrap_err();
    assert_eq!(probe.condition(), Condition::Ready, "what is on this machine is told where it is needed");
    let reference = SecretRef::Vault(VaultRef::new("kv", "notes/client", "client_secret").unwrap());
    let error = secrets.read(&reference).await.unwrap_err();
    assert_eq!(probe.condition(), Condition::Degraded { reason: error.to_string() });
}

#[derive(Debug)]
struct Client {
    is_down: bool,
}

impl Grant for Client {
    fn request(&self) -> Requesting<'_> {
        Box::pin(async {
            match self.is_down {
                true => Err(Failure::Unavailable { status: 503, retry_after: None }),
                false => Ok(Granted::new(AccessToken::new("a"), Duration::from_secs(3600))),
            }
        })
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        None
    }
}

// HARD 16
#[tokio::test]
async fn an_issuer_counts_as_left_alone_while_any_of_its_clients_is() {
    let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
    let observer = Observer::new();
    let manager = TokenManager::new(clock.clone(), observer.clone(), 7);
    let issuer: Issuer = "https://as.example".parse().unwrap();
    let breakers = Arc::new(Breakers::default());
    let provider = |name: &str, is_down| {
        let key = TokenKey::from(KeyParts::new(issuer.clone(), name, "client_credentials"));
        let handle = manager.handle(name, &key, Arc::new(Client { is_down }));
        let watched = handle.clone();
        breakers.watch(&issuer, Box::new(move || watched.is_left_alone()));
        let (issuer, breakers, observer) = (Some(issuer.clone()), breakers.clone(), observer.clone());
        ProviderProbe { handle, issuer, revoker: None, breakers, observer }
    };
    let (failing, well) = (provider("failing", true), provider("well", false));
    well.handle.ensure_access(&Wanted::default()).await.unwrap();
    failing.handle.prefetch();
    while !failing.handle.is_left_alone() {
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(1));
    }
    // Whoever is asked last.
    for probes in [[&failing, &well], [&well, &failing]] {
        probes.iter().for_each(|probe| drop(probe.condition()));
        let metrics = observer.metrics().render().unwrap();
        let gauge = metrics.lines().find(|line| line.starts_with("breaker_open{")).unwrap();
        assert!(gauge.ends_with(" 1"), "{gauge}");
    }
}
