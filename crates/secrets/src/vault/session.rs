//! The token that Vault is asked with: had by a login, renewed while it lasts, replaced when it ends.
//!
//! ```text
//! none, expired, denied ─ login ─► token ─ a third of its lease is left ─► renew ─┬─ well ───► the same token, longer
//!                           ▲                                                     ├─ refused ─► login
//!                           └─────────────────────────────────────────────────────┘  nobody there: it still serves
//! ```
//! Who reads a secret sees to the token first, and so does whoever keeps it while nobody reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bearward_token::expiry::Moment;
use bearward_token::{AccessToken, Clock, Expiry};
use tokio::sync::Mutex;

use super::VaultAuth;
use super::api::{Api, Lease};
use crate::local::Local;
use crate::{SecretError, Store};

/// Between two logins because of a denial: one that is meant must not make a new token in Vault for every question.
const RELOGIN_INTERVAL: Duration = Duration::from_secs(10);

/// A token that is due and was not renewed is tried again after so long.
const RETRY: Duration = Duration::from_secs(10);

/// The current token. Held while a login is under way, so that many secrets cost one.
pub(super) struct Session {
    clock: Arc<dyn Clock>,
    /// No login is made any more: nobody would end its token.
    is_closed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// No other login because of a denial before this.
    next_relogin: Option<Expiry>,
}

struct Held {
    token: AccessToken,
    is_renewable: bool,
    lifetime: Duration,
    /// `None`: it never expires.
    expiry: Option<Expiry>,
}

impl Session {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, is_closed: AtomicBool::new(false), state: Mutex::default() }
    }

    /// A token that is good as far as anybody here knows.
    pub(super) async fn token(
        &self,
        api: &Api,
        auth: &VaultAuth,
        local: &Local,
    ) -> Result<AccessToken, SecretError> {
        let mut state = self.state.lock().await;
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(SecretError::Closed(Store::Vault));
        }
        if let Some(held) = state.held.as_mut().filter(|held| !held.is_expired(&*self.clock))
            && (!held.is_due(&*self.clock) || self.renew(api, held).await)
        {
            return Ok(held.token.clone());
        }
        state.held = None;
        let sent = Moment::now(&*self.clock);
        let (token, lease) = api.login(auth, local).await?;
        state.held = Some(Held::new(token.clone(), lease, sent));
        Ok(token)
    }

    /// Renews the token, or replaces it, if it is time; answers with how long it is not. `None`: nobody has logged in, or
    /// it lasts for ever.
    pub(super) async fn keep(&self, api: &Api, auth: &VaultAuth, local: &Local) -> Option<Duration> {
        self.state.lock().await.held.as_ref()?;
        if let Err(error) = self.token(api, auth, local).await {
            // Who reads next is told of it, and tells it.
            tracing::debug!(%error, "there is no token of Vault");
        }
        self.state.lock().await.held.as_ref()?.rests_for(&*self.clock)
    }

    /// Takes the token away; from now on there is none. Waits for a login that is under way.
    pub(super) async fn close(&self) -> Option<AccessToken> {
        self.is_closed.store(true, Ordering::Relaxed);
        let held = self.state.lock().await.held.take()?;
        (!held.is_expired(&*self.clock)).then_some(held.token)
    }

    /// Whether there is, or will be, another token than this one, which was denied.
    pub(super) async fn replaces(&self, denied: &AccessToken) -> bool {
        let now = Moment::now(&*self.clock);
        let mut state = self.state.lock().await;
        if state.held.as_ref().is_none_or(|held| held.token != *denied) {
            return true;
        }
        if state.next_relogin.is_some_and(|next| !next.left_at(&now).is_zero()) {
            return false;
        }
        state.next_relogin = Some(now.plus(RELOGIN_INTERVAL));
        state.held = None;
        true
    }

    /// False when another token is needed.
    async fn renew(&self, api: &Api, held: &mut Held) -> bool {
        let sent = Moment::now(&*self.clock);
        match api.renew(&held.token).await {
            Ok(Some(lease)) => {
                *held = Held::new(held.token.clone(), lease, sent);
                true
            }
            Ok(None) => false,
            // It lasts for a while yet; what is asked next finds out whether Vault is there.
            Err(error) => {
                tracing::debug!(%error, "the token of Vault was not renewed");
                true
            }
        }
    }
}

impl Held {
    fn new(token: AccessToken, lease: Lease, sent: Moment) -> Self {
        let lifetime = Duration::from_secs(lease.seconds);
        let expiry = (lease.seconds > 0).then(|| sent.plus(lifetime));
        Self { token, is_renewable: lease.is_renewable, lifetime, expiry }
    }

    fn is_expired(&self, clock: &dyn Clock) -> bool {
        self.expiry.is_some_and(|expiry| expiry.is_past(clock))
    }

    fn is_due(&self, clock: &dyn Clock) -> bool {
        self.is_renewable && self.expiry.is_some_and(|expiry| expiry.left(clock) < self.lifetime / 3)
    }

    /// How long nothing needs to be done for it; `None`: never.
    fn rests_for(&self, clock: &dyn Clock) -> Option<Duration> {
        let left = self.expiry?.left(clock);
        Some(match self.is_renewable {
            _ if self.is_due(clock) => RETRY.min(left),
            // Just past the moment at which a third is left.
            true => left.saturating_sub(self.lifetime / 3) + Duration::from_millis(1),
            false => left,
        })
    }
}
