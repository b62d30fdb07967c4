//! A login that begins here, as a user's does who signs in at an application.

use std::sync::Weak;

use super::*;

/// A login, as far as somebody still has it.
#[derive(Clone)]
pub struct WeakLogin(Weak<Inner>);

impl RefreshTokenGrant {
    /// A login that has begun here, or will, under a name that no other has. What stands in the store is forgotten when it
    /// was not written for so long as `kept_for`.
    pub fn begun_here(
        name: &str,
        request: Arc<TokenRequest>,
        store: Arc<dyn Store>,
        revoker: Option<Arc<Revoker>>,
        kept_for: Duration,
    ) -> Self {
        Self::of(name, request, None, store, revoker, Some(kept_for))
    }

    /// Begins it with what a user's sign-in brought: the refresh token is durable before the access token is used
    /// (HARD 13), and the first who asks gets that. Without a refresh token there is no other.
    ///
    /// # Errors
    /// When it cannot be written down; what came is revoked then, for nobody has it.
    pub async fn begin(
        &self,
        token: Option<RefreshToken>,
        granted: Granted,
        sent: Moment,
    ) -> Result<(), Failure> {
        let inner = &self.inner;
        let _alone = inner.spending.lock().await;
        let login =
            token.as_ref().map_or_else(|| granted.access_token.fingerprint(), RefreshToken::fingerprint);
        if let Some(token) = token {
            let written = inner.put(&Login::new(token.clone(), login), Expected::NewLogin).await;
            if let Err(failure) = written.and_then(|put| Ok(put?)) {
                inner.revoke_unwanted(&[(&token).into(), (&granted.access_token).into()]).await;
                return Err(failure);
            }
        }
        inner.unclaimed.keep(self.asked.target.clone(), Came { granted, sent, login }, inner.clock());
        Ok(())
    }

    /// Says whose it is: what is answered for another user ends it.
    pub fn belongs_to(&self, subject: &str) {
        self.inner.owner.get_or_init(|| subject.into());
    }

    /// Whether it can get another token, as far as what is written down says; asks nobody else.
    pub async fn goes_on(&self) -> bool {
        self.inner.login().await.is_ok_and(|standing| standing.login.token().is_some())
    }

    /// For who must not keep a login alive, and must not have two of it: two would spend its token twice.
    pub fn downgrade(&self) -> WeakLogin {
        WeakLogin(Arc::downgrade(&self.inner))
    }
}

impl WeakLogin {
    /// The login, while somebody has it, whatever they ask it for.
    pub fn upgrade(&self) -> Option<RefreshTokenGrant> {
        self.0.upgrade().map(RefreshTokenGrant::first)
    }
}

impl fmt::Debug for WeakLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakLogin")
    }
}
