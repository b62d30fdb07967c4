//! The refresh token grant (RFC 6749 §6): a login that goes on without the person, by tokens that can be spent once.
//!
//! ```text
//! store ─► refresh token ─► authorization server ─► access token + next refresh token
//!   ▲                                                        │
//!   └────────────── durable first ◄──────────────────────────┘ then the access token is used (HARD 13)
//! ```
//! Of a crash between the two nothing is hidden: the spent token is refused, and the login has ended.

mod beginning;
mod ending;
mod login;

pub use beginning::WeakLogin;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bearward_issuer::{Credential, CredentialError, SharedCredential};
use bearward_store::{Damage, Expected, Place, Purpose, Store, StoreError};
use bearward_token::expiry::Moment;
use bearward_token::{AccessToken, Fingerprint, RefreshToken};
use tokio::sync::{Mutex, oneshot};

use crate::error::Failure;
use crate::grant::{Ending, Grant, Granted, Landing, Requesting, Revoked};
use crate::key::{KeyParts, TokenKey};
use crate::revoke::{Revocable, Revoker};
use crate::shelf::in_time;
use crate::token_request::TokenRequest;
use login::Login;

/// The grant's name, in configuration, keys and requests.
pub const NAME: &str = "refresh_token";

/// A token that nobody took is handed to the next who asks, if it lives for so long.
const WORTH_KEEPING: Duration = Duration::from_secs(60);

/// So often at most the store is looked at for one request, while others change what stands there.
const LOOKS: usize = 5;

const NOT_GIVEN: &str = "the refresh token cannot be read";
const SPENT: &str =
    "the authorization server does not take the refresh token: it was spent, revoked or has expired";
const LOGGED_OUT: &str = "somebody logged out";

/// One login.
#[derive(Clone)]
pub struct RefreshTokenGrant(Arc<Inner>);

struct Inner {
    request: Arc<TokenRequest>,
    /// The refresh token that the login began with, from outside; `None`: it began here, and stands in the store or nowhere.
    given: Option<SharedCredential>,
    store: Arc<dyn Store>,
    place: Place,
    revoker: Option<Arc<Revoker>>,
    /// What stands in the store is forgotten so long after it was written last; `None`: never.
    kept_for: Option<Duration>,
    /// Held while a refresh token is being spent.
    spending: Mutex<Spending>,
    /// Came, and was not taken yet: for who waits, or for the next who asks.
    unclaimed: std::sync::Mutex<Option<Dated>>,
}

/// What must not be lost between two requests.
#[derive(Default)]
struct Spending {
    /// Came, and could not be written yet: nothing else is spent before it is.
    unwritten: Option<Unwritten>,
    /// Is not taken any more. Remembered here too, for the store may not be writable.
    refused: Option<Fingerprint>,
}

struct Unwritten {
    login: Login,
    replaces: u64,
    granted: Dated,
}

/// The login to go on with.
struct Standing {
    login: Login,
    /// Of what stands in the store.
    version: u64,
    /// False: it was given just now, and another one stands there.
    is_stored: bool,
}

/// What was granted to a request that left at a moment.
type Dated = (Granted, Moment);

impl RefreshTokenGrant {
    /// The login of provider `name`, which begins with `given` and goes on with what stands in the store. A new token that
    /// is given begins a new login; other scopes, another audience or a new secret of the client do not.
    pub fn new(
        name: &str,
        request: Arc<TokenRequest>,
        given: SharedCredential,
        store: Arc<dyn Store>,
        revoker: Option<Arc<Revoker>>,
    ) -> Self {
        Self::of(name, request, Some(given), store, revoker, None)
    }

    fn of(
        name: &str,
        request: Arc<TokenRequest>,
        given: Option<SharedCredential>,
        store: Arc<dyn Store>,
        revoker: Option<Arc<Revoker>>,
        kept_for: Option<Duration>,
    ) -> Self {
        let place = Place {
            tenant: None,
            issuer: request.metadata.issuer().clone(),
            subject: None,
            client: request.client.id.clone(),
            purpose: Purpose::RefreshToken,
            key: *Fingerprint::of(&format!("login of {name}")).as_bytes(),
        };
        let (spending, unclaimed) = (Mutex::default(), std::sync::Mutex::default());
        Self(Arc::new(Inner { request, given, store, place, revoker, kept_for, spending, unclaimed }))
    }

    /// What its tokens depend on: the login, too (HARD 3).
    pub fn key(&self) -> TokenKey {
        let login = Fingerprint::from_bytes(self.0.place.key);
        TokenKey::from(KeyParts { subject_token: Some(login), ..self.0.request.key_parts(NAME) })
    }
}

impl Grant for RefreshTokenGrant {
    fn request(&self) -> Requesting<'_> {
        let inner = self.0.clone();
        Box::pin(async move {
            let (tell, told) = oneshot::channel();
            // Once begun it is finished, also when nobody waits any more: a token that was spent must not be lost.
            let at_work = inner.clone();
            tokio::spawn(async move { at_work.serve(tell).await });
            told.await.unwrap_or(Err(Failure::Fault))?;
            inner.unclaimed().take().map(|(granted, _)| granted).ok_or(Failure::LoggedOut)
        })
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        // A new login helps as much as a new secret.
        let given = self.0.given.as_ref().and_then(|given| given.version());
        let client = self.0.request.credential_version();
        let both = |version: Option<Fingerprint>| version.map(|version| version.to_hex()).unwrap_or_default();
        Some(Fingerprint::of(&format!("{}{}", both(given), both(client))))
    }

    fn end<'a>(&'a self, access: Option<&'a AccessToken>) -> Ending<'a> {
        let (inner, access) = (self.0.clone(), access.cloned());
        Box::pin(async move {
            tokio::spawn(async move { inner.end(access).await }).await.unwrap_or(Err(Failure::Fault))
        })
    }

    /// The access token alone: another login may have begun since.
    fn discard<'a>(&'a self, access: &'a AccessToken) -> Ending<'a> {
        Box::pin(async move {
            match &self.0.revoker {
                Some(revoker) => revoker.revoke(&[access.into()]).await,
                None => Ok(Revoked::Nothing),
            }
        })
    }

    fn landed(&self) -> Landing<'_> {
        Box::pin(async { drop(self.0.spending.lock().await) })
    }
}

impl Inner {
    async fn serve(&self, tell: oneshot::Sender<Result<(), Failure>>) {
        let mut spending = self.spending.lock().await;
        // Whoever asked has gone while another request was at work: it is not for them that a token is spent.
        if !tell.is_closed() {
            // What nobody takes waits for the next who asks.
            let _ = tell.send(self.request(&mut spending).await);
        }
    }

    async fn request(&self, spending: &mut Spending) -> Result<(), Failure> {
        self.write_down(spending).await?;
        let unclaimed = self.unclaimed().take().and_then(|unclaimed| self.still(unclaimed));
        let granted = match unclaimed {
            Some(unclaimed) => unclaimed,
            None => self.spend(spending).await?,
        };
        *self.unclaimed() = Some(granted);
        Ok(())
    }

    async fn spend(&self, spending: &mut Spending) -> Result<Dated, Failure> {
        for _ in 0..LOOKS {
            let standing = self.login().await?;
            let login = &standing.login;
            let token = login.token().ok_or_else(|| ended(login.why()))?;
            if spending.refused == Some(token.fingerprint()) {
                match self.mark_dead(&standing).await {
                    true => return Err(ended(SPENT)),
                    false => continue,
                }
            }
            let sent = Moment::now(&*self.request.client.clock);
            let fields = vec![("grant_type", NAME.to_owned()), (NAME, token.expose().to_owned())];
            let answer = match self.request.spend(fields).await {
                // Somebody else may have spent it, and written down what came: look again (HARD 12).
                Err(Failure::Refused { code, .. }) if code == "invalid_grant" => {
                    spending.refused = Some(token.fingerprint());
                    continue;
                }
                answer => answer?,
            };
            let mut granted = answer.granted;
            granted.is_new_login = !standing.is_stored;
            let granted = (granted, sent);
            let next = answer.refresh_token.filter(|next| *next != token).map(|next| login.next(next));
            let Some(login) = next.or_else(|| (!standing.is_stored).then(|| login.clone())) else {
                return Ok(granted);
            };
            spending.unwritten =
                Some(Unwritten { login, replaces: standing.version, granted: granted.clone() });
            self.write_down(spending).await?;
            return Ok(granted);
        }
        Err(Failure::Store {
            reason: "the login changes faster than it can be used".into(),
            is_passing: true,
        })
    }

    /// The login as it stands in the store, or as it was given.
    async fn login(&self) -> Result<Standing, Failure> {
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

    /// Writes down what came and is not durable yet; with it comes the access token that may then be used.
    async fn write_down(&self, spending: &mut Spending) -> Result<(), Failure> {
        let Some(Unwritten { login, replaces, .. }) = &spending.unwritten else { return Ok(()) };
        let goes_on = match self.put(login, Expected::Version(*replaces)).await? {
            Ok(_) => true,
            Err(StoreError::Conflict { .. } | StoreError::LoggedOut { .. }) => self.goes_on(login).await?,
            Err(error) => return Err(error.into()),
        };
        let Some(Unwritten { login, granted, .. }) = spending.unwritten.take() else { return Ok(()) };
        if goes_on {
            *self.unclaimed() = Some(granted);
            return Ok(());
        }
        let access = granted.0.access_token;
        let unwanted =
            login.token().iter().map(Revocable::from).chain([(&access).into()]).collect::<Vec<_>>();
        if let Some(revoker) = &self.revoker
            && let Err(failure) = revoker.revoke(&unwanted).await
        {
            tracing::warn!(%failure, "tokens that came after a logout are not revoked");
        }
        Err(Failure::LoggedOut)
    }

    /// Something else stands where `login` was to be written. True when it is the same login all the same: what came is
    /// of use. False after a logout, and when another login has begun (HARD 14).
    async fn goes_on(&self, login: &Login) -> Result<bool, Failure> {
        let stored = self.in_time(self.store.get(&self.place)).await??;
        let stored = stored.and_then(|record| Login::unpack(&record.secret));
        // Our own earlier write, of which nobody heard; or another instance's, whose token stays (HARD 12). Ours is not
        // revoked then: servers end a whole login with one of its tokens.
        Ok(stored.is_some_and(|stored| stored.is_same(login) && stored.token().is_some()))
    }

    /// So that no later process spends it in vain; when that fails, one does. False when somebody was faster, with a
    /// token that may work.
    async fn mark_dead(&self, standing: &Standing) -> bool {
        // What stands there is another login, and may be the right one.
        if !standing.is_stored {
            return true;
        }
        let dead = standing.login.ended(SPENT);
        match self.put(&dead, Expected::Version(standing.version)).await {
            Ok(Ok(_)) => true,
            Ok(Err(StoreError::Conflict { .. })) => false,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the end of a login is not written down");
                true
            }
            Err(failure) => {
                tracing::warn!(%failure, "the end of a login is not written down");
                true
            }
        }
    }

    async fn given(&self) -> Result<Credential, CredentialError> {
        match &self.given {
            Some(given) => given.current().await,
            None => Err(CredentialError("it began here".into())),
        }
    }

    async fn put(&self, login: &Login, expected: Expected) -> Result<Result<u64, StoreError>, Failure> {
        let now = self.request.client.clock.unix_seconds();
        let ends = self.kept_for.map(|kept| now.saturating_add(kept.as_secs()));
        self.in_time(self.store.put(&self.place, login.pack(), ends, expected)).await
    }

    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Failure> {
        in_time(&*self.request.client.clock, answer).await
    }

    fn unclaimed(&self) -> MutexGuard<'_, Option<Dated>> {
        self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left of a token that came a while ago.
    fn still(&self, (mut granted, sent): Dated) -> Option<Dated> {
        let clock = &*self.request.client.clock;
        granted.lifetime = sent.plus(granted.lifetime).left(clock);
        if let Some(id) = &mut granted.id_token {
            id.lifetime = sent.plus(id.lifetime).left(clock);
        }
        (granted.lifetime > WORTH_KEEPING).then(|| (granted, Moment::now(clock)))
    }
}

fn begun(given: &Credential) -> Login {
    Login::new(RefreshToken::new(given.secret.expose()), given.version())
}

/// Nobody can read it any more.
fn is_lost(damage: &Damage) -> bool {
    matches!(damage, Damage::Truncated { .. } | Damage::Altered | Damage::Misplaced { .. })
}

fn ended(why: &str) -> Failure {
    Failure::ReauthRequired { reason: why.to_owned() }
}

impl fmt::Debug for RefreshTokenGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshTokenGrant({})", self.0.place)
    }
}

#[cfg(test)]
mod tests;
