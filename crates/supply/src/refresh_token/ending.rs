//! The end of a login: forgotten here, revoked there (HARD 14).

use super::*;

impl Inner {
    pub(super) async fn end(&self, access: Option<AccessToken>) -> Result<Revoked, Failure> {
        let mut spending = self.spending.lock().await;
        let login = match self.login().await {
            Ok(standing) => standing.login,
            // What cannot be read ends all the same, and with it what was given.
            Err(Failure::Store { is_passing: false, reason }) => {
                tracing::warn!(reason, "a login that cannot be read ends; what it got last is not revoked");
                begun(&self.given().await?)
            }
            Err(failure) => return Err(failure),
        };
        match self.put(&login.ended(LOGGED_OUT), Expected::NewLogin).await? {
            // It stands, and who asks again would find no token to revoke any more.
            Err(error @ StoreError::NotDurable { .. }) => {
                tracing::warn!(%error, "a logout may not outlive a crash");
            }
            put => drop(put?),
        }
        let unwritten = spending.unwritten.take().and_then(|unwritten| {
            let (granted, _) = unwritten.granted;
            Some((unwritten.login.token()?, granted.access_token))
        });
        let (unwritten, with_it) = unwritten.unzip();
        let unclaimed = self.unclaimed().take().map(|(granted, _)| granted.access_token);
        let Some(revoker) = &self.revoker else { return Ok(Revoked::Nothing) };
        let refresh = login.token().into_iter().chain(unwritten);
        let refresh = refresh.map(|token| Revocable::from(&token));
        let access = access.iter().chain(&with_it).chain(&unclaimed).map(Revocable::from);
        revoker.revoke(&refresh.chain(access).collect::<Vec<_>>()).await
    }
}
