//! The login to go on with: as it stands in the store, or as it was given.

use super::*;

/// The login to go on with.
pub(super) struct Standing {
    pub(super) login: Login,
    /// Of what stands in the store.
    pub(super) version: u64,
    /// False: it was given just now, and another one stands there.
    pub(super) is_stored: bool,
}

impl Inner {
    /// The login as it stands in the store, or as it was given.
    pub(super) async fn login(&self) -> Result<Standing, Failure> {
        let given = self.given().await;
        let stored = match self.in_time(self.store.get(&self.place)).await? {
            Ok(stored) => stored,
            // It cannot be mended. A record of another key or version can: by who configures that.
            Err(StoreError::Damaged { damage, .. }) if is_lost(&damage) && given.is_ok() => {
                tracing::warn!(%damage, "a login cannot be read, and begins anew with the token that was given");
                None
            }
            Err(error) => return Err(error.into()),
        };
        let stored = stored.and_then(|record| Some((Login::unpack(&record.secret)?, record.version)));
        let is_stored = true;
        match (given, stored) {
            (Ok(given), Some((login, version))) if login.began_with(given.version()) => {
                Ok(Standing { login, version, is_stored })
            }
            // What was given cannot be read for a moment: the login goes on.
            (Err(_), Some((login, version))) => Ok(Standing { login, version, is_stored }),
            // It replaces the other one when it has worked: a file may have been read while it was half written.
            (Ok(given), Some((_, version))) => {
                Ok(Standing { login: begun(&given), version, is_stored: false })
            }
            (Ok(given), None) => {
                let login = begun(&given);
                let version = self.put(&login, Expected::NewLogin).await??;
                Ok(Standing { login, version, is_stored })
            }
            (Err(_), None) if self.given.is_none() => Err(ended(LOGGED_OUT)),
            (Err(error), None) => Err(Failure::Credential { reason: format!("{NOT_GIVEN}: {error}") }),
        }
    }

    pub(super) async fn given(&self) -> Result<Credential, CredentialError> {
        match &self.given {
            Some(given) => given.current().await,
            None => Err(CredentialError("it began here".into())),
        }
    }
}

pub(super) fn begun(given: &Credential) -> Login {
    Login::new(RefreshToken::new(given.secret.expose()), given.version())
}

/// Nobody can read it any more.
fn is_lost(damage: &Damage) -> bool {
    matches!(damage, Damage::Truncated { .. } | Damage::Altered | Damage::Misplaced { .. })
}
