#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bearward_secrets::{SecretRef, VaultRef};

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
