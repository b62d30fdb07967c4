//! The refresh token grant (RFC 6749 §6): a login that goes on without the person, by tokens that can be spent once.
//!
//! ```text
//! store ─► refresh token ─► authorization server ─► access token + next refresh token
//!   ▲                                                        │
//!   └────────────── durable first ◄──────────────────────────┘ then the access token is used (HARD 13)
//! ```
//! Of a crash between the two nothing is hidden: the spent token is refused, and the login has ended.
//!
//! One login may serve several targets (RFC 8707 §2.2). They take turns at its one refresh token, and what came for one is
//! never handed to another:
//! ```text
//! calendar ─┐                              ┌─► unclaimed for calendar
//! contacts ─┼─ one at a time ─► one login ─┼─► unclaimed for contacts
//! notes ────┘                              └─► unclaimed for notes
//! ```

mod beginning;
mod ending;
mod login;
mod standing;
mod unclaimed;

pub use beginning::WeakLogin;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use bearward_issuer::{Credential, CredentialError, SharedCredential};
use bearward_store::{Damage, Expected, Place, Purpose, Store, StoreError};
use bearward_token::expiry::Moment;
use bearward_token::{AccessToken, Clock, Fingerprint, IdToken, RefreshToken};
use serde::Deserialize;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::dependents::{Dependent, Dependents};
use crate::error::Failure;
use crate::grant::{Ending, Grant, Granted, Landing, Requesting, Revoked};
use crate::handle::Handle;
use crate::key::{KeyParts, TokenKey};
use crate::lifetime::jwt_claims;
use crate::revoke::{Revocable, Revoker};
use crate::shelf::in_time;
use crate::sync::spawn;
use crate::target::Target;
use crate::token_request::TokenRequest;
use login::Login;
use standing::{Standing, begun};
use unclaimed::{Came, Unclaimed};

/// The grant's name, in configuration, keys and requests.
pub const NAME: &str = "refresh_token";

/// A request waits so long for another one of its login: less than half of what an attempt may take.
const TURN: Duration = Duration::from_secs(2);

/// So often at most the store is looked at for one request, while others change what stands there.
const LOOKS: usize = 5;

const NOT_GIVEN: &str = "the refresh token cannot be read";
const SPENT: &str =
    "the authorization server does not take the refresh token: it was spent, revoked or has expired";
const LOGGED_OUT: &str = "somebody logged out";
const PASSED_OVER: &str = "the authorization server gives the sign-in's own token whatever `resource` is asked for: use \
                           `via: token_exchange`, or leave `resource` out";
const ANOTHER: &str = "the authorization server answered for another user than the one who signed in";

/// A login, asked for one target. What it is asked for besides, [`RefreshTokenGrant::asking`] says.
#[derive(Clone)]
pub struct RefreshTokenGrant {
    inner: Arc<Inner>,
    asked: Arc<Asked>,
}

/// What one grant of a login asks for.
struct Asked {
    target: Target,
    /// The login whose token it handed out last.
    last: std::sync::Mutex<Option<Fingerprint>>,
}

/// One login: all who ask it for something share this.
struct Inner {
    /// Who is asked, and as whom, for every target; and the target that the login itself is for.
    request: Arc<TokenRequest>,
    /// The refresh token that the login began with, from outside; `None`: it began here, and stands in the store or nowhere.
    given: Option<SharedCredential>,
    store: Arc<dyn Store>,
    place: Place,
    revoker: Option<Arc<Revoker>>,
    /// What stands in the store is forgotten so long after it was written last; `None`: never.
    kept_for: Option<Duration>,
    /// Held while a refresh token is being spent.
    spending: Arc<Mutex<Spending>>,
    unclaimed: Unclaimed,
    /// Who keeps what it gave.
    dependents: Dependents,
    /// Whose it is, once somebody has said so.
    owner: OnceLock<Arc<str>>,
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
    came: Came,
    /// Whom that is for.
    target: Target,
}

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
        Self::first(Arc::new(Inner {
            request,
            given,
            store,
            place,
            revoker,
            kept_for,
            spending: Arc::default(),
            unclaimed: Unclaimed::default(),
            dependents: Dependents::default(),
            owner: OnceLock::new(),
        }))
    }

    /// The login, asked for what its own request is for.
    fn first(inner: Arc<Inner>) -> Self {
        let target = inner.request.target();
        Self::of_login(inner, target)
    }

    fn of_login(inner: Arc<Inner>, target: Target) -> Self {
        Self { inner, asked: Arc::new(Asked { target, last: std::sync::Mutex::default() }) }
    }

    /// The same login, asked for something else (RFC 8707 §2.2): the client, its issuer and the place in the store are the
    /// login's. Each spends the refresh token in its turn; whichever of them is logged out, the login ends for all.
    #[must_use]
    pub fn asking(&self, target: Target) -> Self {
        Self::of_login(self.inner.clone(), target)
    }

    /// What `handle` has ends with this login, too: a token that was exchanged for one of the login's own, say.
    pub fn takes_along(&self, handle: &Handle) {
        if let Some(late) = self.inner.dependents.add(handle.into()) {
            spawn(async move {
                if let Err(failure) = late.end().await {
                    tracing::warn!(%failure, "a token that came after its login's end is not revoked");
                }
            });
        }
    }

    /// What its tokens depend on: the login, too (HARD 3).
    pub fn key(&self) -> TokenKey {
        let login = Fingerprint::from_bytes(self.inner.place.key);
        let parts = self.inner.request.key_parts_for(NAME, self.asked.target.clone());
        TokenKey::from(KeyParts { subject_token: Some(login), ..parts })
    }
}

impl Grant for RefreshTokenGrant {
    fn request(&self) -> Requesting<'_> {
        let (inner, asked) = (self.inner.clone(), self.asked.clone());
        Box::pin(async move {
            let mut spending = inner.turn().await?;
            let (at_work, target) = (inner.clone(), asked.target.clone());
            // Once begun it is finished, also when nobody waits any more: a token that was spent must not be lost. What
            // nobody takes waits for the next who asks for the same.
            let served = tokio::spawn(async move {
                let served = at_work.request(&target, &mut spending).await;
                drop(spending);
                if served.as_ref().is_err_and(is_of_another) {
                    at_work.end_for_another().await;
                }
                served
            });
            served.await.unwrap_or(Err(Failure::Fault))?;
            let came = inner.unclaimed.take(&asked.target).ok_or(Failure::LoggedOut)?;
            let (own, token) = (inner.request.target(), &came.granted.access_token);
            if asked.target.is_passed_over(&own, token.expose()) {
                // Nothing that passes, and nothing that the server does to anybody else. The token is not revoked: some
                // servers end the whole login with one of its tokens.
                return Err(Failure::Refused { code: "invalid_target".into(), advice: PASSED_OVER });
            }
            Ok(asked.hand_out(came))
        })
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        // A new login helps as much as a new secret.
        let given = self.inner.given.as_ref().and_then(|given| given.version());
        let client = self.inner.request.credential_version();
        let both = |version: Option<Fingerprint>| version.map(|version| version.to_hex()).unwrap_or_default();
        Some(Fingerprint::of(&format!("{}{}", both(given), both(client))))
    }

    fn end<'a>(&'a self, access: Option<&'a AccessToken>) -> Ending<'a> {
        let (inner, access) = (self.inner.clone(), access.cloned());
        Box::pin(async move {
            tokio::spawn(async move { inner.end(access).await }).await.unwrap_or(Err(Failure::Fault))
        })
    }

    /// The access token alone: another login may have begun since.
    fn discard<'a>(&'a self, access: &'a AccessToken) -> Ending<'a> {
        Box::pin(async move {
            match &self.inner.revoker {
                Some(revoker) => revoker.revoke(&[access.into()]).await,
                None => Ok(Revoked::Nothing),
            }
        })
    }

    fn landed(&self) -> Landing<'_> {
        Box::pin(async { drop(self.inner.spending.lock().await) })
    }

    fn kept_by(&self, dependent: Dependent) {
        // Never too late: its token is the login's own, which brings none any more.
        let _ = self.inner.dependents.add(dependent);
    }
}

impl Asked {
    /// Says whether it is the first of its login: the ID token of the one before is another person's. Known only here,
    /// since another target may have begun the login.
    fn hand_out(&self, Came { mut granted, login, .. }: Came) -> Granted {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(login);
        granted.is_new_login = last != Some(login);
        granted
    }
}

impl Inner {
    /// Waits for a turn, and not for long: an attempt that ends while others of this login are at work would be taken for
    /// a failure of the authorization server, and a few of those for its being down (HARD 16).
    async fn turn(&self) -> Result<OwnedMutexGuard<Spending>, Failure> {
        tokio::select! {
            biased;
            turn = self.spending.clone().lock_owned() => Ok(turn),
            () = self.clock().sleep(TURN) => Err(Failure::InLine),
        }
    }

    async fn request(&self, target: &Target, spending: &mut Spending) -> Result<(), Failure> {
        self.write_down(spending).await?;
        match self.unclaimed.still_has(target, self.clock()) {
            true => Ok(()),
            false => self.spend(target, spending).await,
        }
    }

    async fn spend(&self, target: &Target, spending: &mut Spending) -> Result<(), Failure> {
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
            let sent = Moment::now(self.clock());
            let fields = vec![("grant_type", NAME.to_owned()), (NAME, token.expose().to_owned())];
            let answer = match self.request.spend_for(target.clone(), fields).await {
                // Somebody else may have spent it, and written down what came: look again (HARD 12).
                Err(Failure::Refused { code, .. }) if code == "invalid_grant" => {
                    spending.refused = Some(token.fingerprint());
                    continue;
                }
                // Any other refusal is about this target, or the client: the token was not spent.
                answer => answer?,
            };
            if answer.granted.id_token.as_ref().is_some_and(|id| !self.is_owners(&id.token)) {
                let refresh = answer.refresh_token.as_ref().map(Revocable::from);
                let access = Revocable::from(&answer.granted.access_token);
                self.revoke_unwanted(&refresh.into_iter().chain([access]).collect::<Vec<_>>()).await;
                return Err(ended(ANOTHER));
            }
            let came = Came { granted: answer.granted, sent, login: login.beginning() };
            let next = answer.refresh_token.filter(|next| *next != token).map(|next| login.next(next));
            let Some(login) = next.or_else(|| (!standing.is_stored).then(|| login.clone())) else {
                self.unclaimed.keep(target.clone(), came, self.clock());
                return Ok(());
            };
            let (replaces, target) = (standing.version, target.clone());
            spending.unwritten = Some(Unwritten { login, replaces, came, target });
            return self.write_down(spending).await;
        }
        Err(Failure::Store {
            reason: "the login changes faster than it can be used".into(),
            is_passing: true,
        })
    }

    /// Whether an ID token that came with a refresh is of the user who signed in (OpenID Connect Core §12.2). It came from
    /// the token endpoint itself, over TLS, which stands in for its signature (§3.1.3.7).
    fn is_owners(&self, id_token: &IdToken) -> bool {
        #[derive(Deserialize)]
        struct Of {
            iss: String,
            sub: String,
        }
        let Some(owner) = self.owner.get() else { return true };
        let of = jwt_claims::<Of>(id_token.expose());
        of.is_some_and(|of| *of.sub == **owner && of.iss == self.request.metadata.issuer().as_str())
    }

    /// Writes down what came and is not durable yet; with it comes the access token that may then be used.
    async fn write_down(&self, spending: &mut Spending) -> Result<(), Failure> {
        let Some(Unwritten { login, replaces, .. }) = &spending.unwritten else { return Ok(()) };
        let goes_on = match self.put(login, Expected::Version(*replaces)).await? {
            Ok(_) => true,
            Err(StoreError::Conflict { .. } | StoreError::LoggedOut { .. }) => self.goes_on(login).await?,
            Err(error) => return Err(error.into()),
        };
        let Some(Unwritten { login, came, target, .. }) = spending.unwritten.take() else { return Ok(()) };
        if goes_on {
            self.unclaimed.keep(target, came, self.clock());
            return Ok(());
        }
        let access = came.granted.access_token;
        let unwanted =
            login.token().iter().map(Revocable::from).chain([(&access).into()]).collect::<Vec<_>>();
        self.revoke_unwanted(&unwanted).await;
        Err(Failure::LoggedOut)
    }

    /// For what came and is of no use to anybody.
    async fn revoke_unwanted(&self, tokens: &[Revocable]) {
        if let Some(revoker) = &self.revoker
            && let Err(failure) = revoker.revoke(tokens).await
        {
            tracing::warn!(%failure, "tokens that nobody has any more are not revoked");
        }
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

    async fn put(&self, login: &Login, expected: Expected) -> Result<Result<u64, StoreError>, Failure> {
        let now = self.clock().unix_seconds();
        let ends = self.kept_for.map(|kept| now.saturating_add(kept.as_secs()));
        self.in_time(self.store.put(&self.place, login.pack(), ends, expected)).await
    }

    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Failure> {
        in_time(self.clock(), answer).await
    }

    fn clock(&self) -> &dyn Clock {
        &*self.request.client.clock
    }
}

fn is_of_another(failure: &Failure) -> bool {
    matches!(failure, Failure::ReauthRequired { reason } if reason == ANOTHER)
}

fn ended(why: &str) -> Failure {
    Failure::ReauthRequired { reason: why.to_owned() }
}

impl fmt::Debug for RefreshTokenGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshTokenGrant({})", self.inner.place)
    }
}

#[cfg(test)]
mod tests;
