//! Where an access token outlives its process: for a warm start, and for a start while the issuer is down (HARD 18).

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bearward_store::{Expected, Place, Purpose, SecretBytes, Store, StoreError};
use bearward_token::expiry::Moment;
use bearward_token::{AccessToken, Clock, Expiry};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::error::Failure;
use crate::grant::Granted;
use crate::held::Held;
use crate::key::{KeyParts, TokenKey};

/// Before the token: when it was asked for, and how long it lives, in milliseconds.
const HEAD: usize = 16;
/// A store that does not answer holds nobody up for longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// One token's place in a store.
pub(crate) struct Shelf {
    spot: Arc<Spot>,
    clock: Arc<dyn Clock>,
}

struct Spot {
    store: Arc<dyn Store>,
    place: Place,
    /// Writes take turns, also those that nobody waits for any more.
    turn: Mutex<()>,
    /// What was asked for before this many logouts is not written any more.
    logouts: AtomicU64,
}

impl Spot {
    /// What cannot be read is worth nothing: another token takes its place.
    async fn put(&self, secret: SecretBytes, ends: u64, expected: Expected) -> Result<(), StoreError> {
        match self.store.put(&self.place, secret.clone(), Some(ends), expected).await {
            Err(StoreError::Damaged { damage, .. }) => {
                tracing::warn!(%damage, "a kept token cannot be read, and another takes its place");
                self.store.put(&self.place, secret, Some(ends), Expected::NewLogin).await.map(drop)
            }
            put => put.map(drop),
        }
    }
}

impl Shelf {
    pub(crate) fn new(store: Arc<dyn Store>, key: &TokenKey, clock: Arc<dyn Clock>) -> Self {
        let place = place(key, Purpose::AccessToken);
        let spot = Spot { store, place, turn: Mutex::default(), logouts: AtomicU64::new(0) };
        Self { spot: Arc::new(spot), clock }
    }

    /// What was kept there, as far as it may still be handed out. A store that cannot be read is as good as an empty
    /// one: the token is asked for instead.
    pub(crate) async fn load(&self) -> Option<Held> {
        let clock = &*self.clock;
        let found = in_time(clock, self.spot.store.get(&self.spot.place)).await;
        let found = found.and_then(|found| found.map_err(Failure::from));
        let record =
            found.inspect_err(|error| tracing::warn!(%error, "a kept token cannot be read")).ok()??;
        let (asked_ms, lifetime, token) = unpack(&record.secret)?;
        // A clock that was set back beyond the asking says nothing of how long the token still lives.
        let passed = Duration::from_millis(clock.unix_ms().checked_sub(asked_ms)?);
        let left = lifetime.checked_sub(passed)?;
        let mut held = Held::new(Granted::new(token, lifetime), Moment::now(clock), 0.0, None);
        held.expiry = Moment::now(clock).plus(left);
        let earlier = |end: Expiry| end.earlier_by(passed);
        (held.usable_until, held.refresh_at) = (earlier(held.usable_until), earlier(held.refresh_at));
        (!held.usable_until.is_past(clock)).then_some(held)
    }

    /// Keeps a token that was asked for after so many logouts. Failing to is told in the log and is no harm: this
    /// process has it.
    pub(crate) async fn save(&self, held: &Held, logouts: u64) {
        // The logouts of this process lie before the token was asked for.
        let expected = if logouts > 0 { Expected::NewLogin } else { Expected::Any };
        let (secret, ends) = (pack(held), held.expiry.unix_ms() / 1000);
        let spot = self.spot.clone();
        let put = async move {
            let _turn = spot.turn.lock().await;
            match spot.logouts.load(Ordering::Acquire) > logouts {
                true => Ok(()),
                false => spot.put(secret, ends, expected).await,
            }
        };
        if let Err(error) = self.finish(put).await {
            tracing::warn!(%error, "the token is not kept for the next start");
        }
    }

    /// Removes what is there, and keeps a late write of what was asked for before this logout from bringing it back
    /// (HARD 14).
    ///
    /// # Errors
    /// When the store cannot be written, or does not answer; it may do so later.
    pub(crate) async fn clear(&self, logouts: u64) -> Result<(), Failure> {
        self.spot.logouts.fetch_max(logouts, Ordering::AcqRel);
        let spot = self.spot.clone();
        let remove = async move {
            let _turn = spot.turn.lock().await;
            spot.store.remove(&spot.place).await
        };
        self.finish(remove).await
    }

    /// A write that is begun is finished in its turn, however long the store takes; who asked for it waits for a while.
    async fn finish(
        &self,
        write: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) -> Result<(), Failure> {
        match in_time(&*self.clock, tokio::spawn(write)).await? {
            Ok(done) => Ok(done?),
            Err(_) => Err(StoreError::Stopped.into()),
        }
    }
}

/// What a store answers, unless it takes too long.
///
/// # Errors
/// A passing one.
pub(crate) async fn in_time<T>(clock: &dyn Clock, answer: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        biased;
        answer = answer => Ok(answer),
        () = clock.sleep(PATIENCE) => {
            let reason = format!("it did not answer within {} s", PATIENCE.as_secs());
            Err(Failure::Store { reason, is_passing: true })
        }
    }
}

/// Where a key's secrets stand. A new version of the client's secret is no reason to lose a token that works, and while the
/// secret's own store is down nobody knows the version.
pub(crate) fn place(key: &TokenKey, purpose: Purpose) -> Place {
    let key = TokenKey::from(KeyParts { credential: None, ..key.parts().clone() });
    let parts = key.parts();
    Place {
        tenant: parts.tenant.clone(),
        issuer: parts.issuer.clone(),
        subject: None,
        client: parts.client.clone(),
        purpose,
        key: *key.digest().as_bytes(),
    }
}

fn pack(held: &Held) -> SecretBytes {
    let lifetime = u64::try_from(held.lifetime.as_millis()).unwrap_or(u64::MAX);
    let asked = held.expiry.unix_ms().saturating_sub(lifetime);
    let token = held.token.expose().as_bytes();
    let mut bytes = Vec::with_capacity(HEAD + token.len());
    bytes.extend_from_slice(&asked.to_be_bytes());
    bytes.extend_from_slice(&lifetime.to_be_bytes());
    bytes.extend_from_slice(token);
    SecretBytes::new(bytes)
}

fn unpack(secret: &SecretBytes) -> Option<(u64, Duration, AccessToken)> {
    let (asked, rest) = secret.expose().split_first_chunk()?;
    let (lifetime, token) = rest.split_first_chunk()?;
    let token = Zeroizing::new(token.to_vec());
    let token = std::str::from_utf8(&token).ok().filter(|token| !token.is_empty())?;
    Some((
        u64::from_be_bytes(*asked),
        Duration::from_millis(u64::from_be_bytes(*lifetime)),
        AccessToken::new(token),
    ))
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shelf({})", self.spot.place)
    }
}
