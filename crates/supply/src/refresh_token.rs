//! The refresh token grant (RFC 6749 §6): a login that goes on without the person, by tokens that can be spent once.
//!
//! ```text
//! store ─► refresh token ─► authorization server ─► access token + next refresh token
//!   ▲                                                        │
//!   └────────────── durable first ◄──────────────────────────┘ then the access token is used (HARD 13)
//! ```
//! Of a crash between the two nothing is hidden: the spent token is refused, and the login has ended.

mod login;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bearward_issuer::SharedCredential;
use bearward_store::{Expected, Place, Purpose, Store, StoreError};
use bearward_token::expiry::Moment;
use bearward_token::{AccessToken, Fingerprint, RefreshToken};
use tokio::sync::{Mutex, oneshot};

use crate::error::Failure;
use crate::grant::{Ending, Grant, Granted, Requesting, Revoked};
use crate::key::TokenKey;
use crate::revoke::{Revocable, Revoker};
use crate::shelf::place;
use crate::token_request::TokenRequest;
use login::Login;

/// The grant's name, in configuration, keys and requests.
pub const NAME: &str = "refresh_token";

/// A token that nobody took is handed to the next who asks, if it lives for so long.
const WORTH_KEEPING: Duration = Duration::from_secs(60);

const NOT_GIVEN: &str = "the refresh token cannot be read";
const SPENT: &str =
    "the authorization server does not take the refresh token: it was spent, revoked or has expired";
const LOGGED_OUT: &str = "somebody logged out";

/// One login.
#[derive(Clone)]
pub struct RefreshTokenGrant(Arc<Inner>);

struct Inner {
    request: Arc<TokenRequest>,
    /// The refresh token that the login began with, from outside.
    given: SharedCredential,
    store: Arc<dyn Store>,
    place: Place,
    revoker: Option<Arc<Revoker>>,
    /// Held while a refresh token is being spent.
    spending: Mutex<Spending>,
}

/// What must not be lost between two requests.
#[derive(Default)]
struct Spending {
    /// Came, and could not be written yet: nothing else is spent before it is.
    unwritten: Option<Unwritten>,
    /// Came after nobody waited for it any more.
    unclaimed: Option<Dated>,
}

struct Unwritten {
    login: Login,
    replaces: u64,
    granted: Dated,
}

/// What was granted to a request that left at a moment.
type Dated = (Granted, Moment);

impl RefreshTokenGrant {
    /// The login that begins with `given` and goes on with what stands in the store. A new token that is given begins a
    /// new login.
    pub fn new(
        request: Arc<TokenRequest>,
        given: SharedCredential,
        store: Arc<dyn Store>,
        revoker: Option<Arc<Revoker>>,
    ) -> Self {
        let place = place(&key(&request), Purpose::RefreshToken);
        Self(Arc::new(Inner { request, given, store, place, revoker, spending: Mutex::default() }))
    }

    /// What its tokens depend on.
    pub fn key(&self) -> TokenKey {
        key(&self.0.request)
    }
}

/// The credential's version is left out: the place of a login must not change with it.
fn key(request: &TokenRequest) -> TokenKey {
    let mut parts = request.key_parts(NAME);
    parts.credential = None;
    TokenKey::from(parts)
}

impl Grant for RefreshTokenGrant {
    fn request(&self) -> Requesting<'_> {
        let inner = self.0.clone();
        Box::pin(async move {
            let (tell, told) = oneshot::channel();
            // Once begun it is finished, also when nobody waits any more: a token that was spent must not be lost.
            tokio::spawn(async move {
                let outcome = inner.request().await;
                if let Err(Ok(unclaimed)) = tell.send(outcome) {
                    inner.spending.lock().await.unclaimed = Some(unclaimed);
                }
            });
            Ok(told.await.unwrap_or(Err(Failure::Fault))?.0)
        })
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        // A new login helps as much as a new secret.
        let given = self.0.given.version();
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
}

impl Inner {
    async fn request(&self) -> Result<Dated, Failure> {
        let mut spending = self.spending.lock().await;
        self.write_down(&mut spending).await?;
        match spending.unclaimed.take().and_then(|unclaimed| self.still(unclaimed)) {
            Some(unclaimed) => Ok(unclaimed),
            None => self.spend(&mut spending).await,
        }
    }

    async fn spend(&self, spending: &mut Spending) -> Result<Dated, Failure> {
        let (mut login, mut version) = self.login().await?;
        loop {
            let token = login.token().ok_or_else(|| ended(login.why()))?;
            let sent = Moment::now(&*self.request.client.clock);
            let fields = vec![("grant_type", NAME.to_owned()), (NAME, token.expose().to_owned())];
            match self.request.send(fields).await {
                Ok(answer) => {
                    let next = answer.refresh_token.filter(|next| *next != token);
                    if let Some(next) = next {
                        let (login, granted) = (login.next(next), (answer.granted.clone(), sent));
                        spending.unwritten = Some(Unwritten { login, replaces: version, granted });
                        self.write_down(spending).await?;
                        spending.unclaimed = None;
                    }
                    return Ok((answer.granted, sent));
                }
                Err(Failure::Refused { code, .. }) if code == "invalid_grant" => {
                    // Somebody else may have spent it, and written down what came (HARD 12).
                    let (now, at) = self.login().await?;
                    if at == version {
                        self.mark_dead(&login, version).await;
                        return Err(ended(SPENT));
                    }
                    (login, version) = (now, at);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The login as it stands in the store, or as it was given.
    async fn login(&self) -> Result<(Login, u64), Failure> {
        let given = self.given.current().await;
        let stored = self.store.get(&self.place).await?;
        let stored = stored.and_then(|record| Some((Login::unpack(&record.secret)?, record.version)));
        let given = match (given, stored) {
            (Ok(given), Some((login, version))) if login.began_with(given.version()) => {
                return Ok((login, version));
            }
            // What was given cannot be read for a moment: the login goes on.
            (Err(_), Some(stored)) => return Ok(stored),
            (Ok(given), _) => given,
            (Err(error), None) => {
                return Err(Failure::Credential { reason: format!("{NOT_GIVEN}: {error}") });
            }
        };
        let login = Login::new(RefreshToken::new(given.secret.expose()), given.version());
        let version = self.store.put(&self.place, login.pack(), None, Expected::NewLogin).await?;
        Ok((login, version))
    }

    /// Writes down what came and is not durable yet; with it comes the access token that may then be used.
    async fn write_down(&self, spending: &mut Spending) -> Result<(), Failure> {
        let Some(unwritten) = &spending.unwritten else { return Ok(()) };
        let Unwritten { login, replaces, .. } = unwritten;
        match self.store.put(&self.place, login.pack(), None, Expected::Version(*replaces)).await {
            Ok(_) => {
                spending.unclaimed = spending.unwritten.take().map(|unwritten| unwritten.granted);
                Ok(())
            }
            // Somebody logged out, or in anew: nobody wants what came (HARD 14).
            Err(StoreError::Conflict { .. } | StoreError::LoggedOut { .. }) => {
                let unwanted = spending.unwritten.take().and_then(|unwritten| unwritten.login.token());
                if let (Some(revoker), Some(unwanted)) = (&self.revoker, unwanted) {
                    revoker.revoke(&[(&unwanted).into()]).await?;
                }
                Err(Failure::LoggedOut)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// So that no later process spends it in vain; when that fails, one does.
    async fn mark_dead(&self, login: &Login, version: u64) {
        let dead = login.ended(SPENT).pack();
        if let Err(error) = self.store.put(&self.place, dead, None, Expected::Version(version)).await {
            tracing::warn!(%error, "the end of a login is not written down");
        }
    }

    async fn end(&self, access: Option<AccessToken>) -> Result<Revoked, Failure> {
        let mut spending = self.spending.lock().await;
        let unwritten = spending.unwritten.take().and_then(|unwritten| unwritten.login.token());
        let unclaimed = spending.unclaimed.take().map(|(granted, _)| granted.access_token);
        let (login, _) = self.login().await?;
        let token = login.token();
        self.store.put(&self.place, login.ended(LOGGED_OUT).pack(), None, Expected::NewLogin).await?;
        let Some(revoker) = &self.revoker else { return Ok(Revoked::Nothing) };
        let refresh = token.iter().chain(&unwritten).map(Revocable::from);
        let access = access.iter().chain(&unclaimed).map(Revocable::from);
        revoker.revoke(&refresh.chain(access).collect::<Vec<_>>()).await
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

fn ended(why: &str) -> Failure {
    Failure::ReauthRequired { reason: why.to_owned() }
}

impl fmt::Debug for RefreshTokenGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshTokenGrant({})", self.0.place)
    }
}
