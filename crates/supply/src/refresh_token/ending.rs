//! The end of a login: forgotten here, revoked there (HARD 14).

use super::*;

impl Inner {
    /// Ends it for all who ask it for something, and with it what they keep.
    pub(super) async fn end(&self, access: Option<AccessToken>) -> Result<Revoked, Failure> {
        // Nobody gets any of it while a request that is under way holds the end up.
        let mut forgotten = self.dependents.forget();
        let mut outcome = self.end_login(access).await;
        // Who asked meanwhile may have got what the login gave before it ended.
        forgotten.extend(self.dependents.forget());
        for one in forgotten {
            let ended = one.end().await;
            outcome = outcome.and_then(|outcome| Ok(outcome.and(ended?)));
        }
        outcome
    }

    /// Ends it because its server has answered for another user: for all, with all that it gave.
    pub(super) async fn end_for_another(&self) {
        if let Err(failure) = self.end(None).await {
            tracing::warn!(%failure, "a login that was answered for another user is not ended everywhere");
        }
    }

    /// What is known of it is revoked whether or not its end can be written down.
    async fn end_login(&self, access: Option<AccessToken>) -> Result<Revoked, Failure> {
        let mut spending = self.spending.lock().await;
        let (login, written) = match self.login().await {
            Ok(Standing { login, .. }) => {
                let written = self.write_end(&login).await;
                (Some(login), written)
            }
            // It began without a refresh token, or has ended before: what access tokens there are end all the same.
            Err(Failure::ReauthRequired { .. }) => (None, Ok(())),
            // What cannot be read ends all the same, and with it what was given.
            Err(Failure::Store { is_passing: false, reason }) => {
                tracing::warn!(reason, "a login that cannot be read ends; what it got last is not revoked");
                match self.given().await {
                    Ok(given) => {
                        let login = begun(&given);
                        let written = self.write_end(&login).await;
                        (Some(login), written)
                    }
                    Err(error) => (None, Err(error.into())),
                }
            }
            Err(failure) => (None, Err(failure)),
        };
        let unwritten = spending
            .unwritten
            .take()
            .and_then(|unwritten| Some((unwritten.login.token()?, unwritten.came.granted.access_token)));
        let (unwritten, with_it) = unwritten.unzip();
        let unclaimed = self.unclaimed.take_all();
        let Some(revoker) = &self.revoker else { return written.map(|()| Revoked::Nothing) };
        let refresh = login.and_then(|login| login.token()).into_iter().chain(unwritten);
        let refresh = refresh.map(|token| Revocable::from(&token));
        let access = access.iter().chain(&with_it).chain(&unclaimed).map(Revocable::from);
        let revoked = revoker.revoke(&refresh.chain(access).collect::<Vec<_>>()).await;
        written.and(revoked)
    }

    /// A login that began here leaves nothing: it never begins again. One that was given must not begin again with what it
    /// began with.
    async fn write_end(&self, login: &Login) -> Result<(), Failure> {
        let written = match self.given {
            None => self.in_time(self.store.remove(&self.place)).await?,
            Some(_) => self.put(&login.ended(LOGGED_OUT), Expected::NewLogin).await?.map(drop),
        };
        match written {
            // It stands, and who asks again would find no token to revoke any more.
            Err(error @ StoreError::NotDurable { .. }) => {
                tracing::warn!(%error, "a logout may not outlive a crash");
                Ok(())
            }
            written => Ok(written?),
        }
    }
}
