//! Where an access token outlives its process: for a warm start, and for a start while the issuer is down (HARD 18).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bearward_store::{Expected, Place, Purpose, SecretBytes, Store};
use bearward_token::expiry::Moment;
use bearward_token::{AccessToken, Clock, Expiry};
use zeroize::Zeroizing;

use crate::grant::Granted;
use crate::held::Held;
use crate::key::TokenKey;

/// Before the token: when it was asked for, and how long it lives, in milliseconds.
const HEAD: usize = 16;
/// A store that does not answer holds nobody up for longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// One token's place in a store.
pub(crate) struct Shelf {
    store: Arc<dyn Store>,
    place: Place,
    clock: Arc<dyn Clock>,
}

impl Shelf {
    pub(crate) fn new(store: Arc<dyn Store>, key: &TokenKey, clock: Arc<dyn Clock>) -> Self {
        Self { store, place: place(key, Purpose::AccessToken), clock }
    }

    /// What was kept there, as far as it may still be handed out. A store that cannot be read is as good as an empty
    /// one: the token is asked for instead.
    pub(crate) async fn load(&self, clock: &dyn Clock) -> Option<Held> {
        let found = tokio::select! {
            found = self.store.get(&self.place) => found,
            () = clock.sleep(PATIENCE) => return None,
        };
        let record =
            found.inspect_err(|error| tracing::warn!(%error, "a kept token cannot be read")).ok()??;
        let (asked_ms, lifetime, token) = unpack(&record.secret)?;
        // A clock that was set back since must not make the token live longer.
        let passed = Duration::from_millis(clock.unix_ms().checked_sub(asked_ms)?);
        let left = lifetime.checked_sub(passed)?;
        let mut held = Held::new(Granted::new(token, lifetime), Moment::now(clock), 0.0, None);
        held.expiry = Moment::now(clock).plus(left);
        let earlier = |end: Expiry| end.earlier_by(passed);
        (held.usable_until, held.refresh_at) = (earlier(held.usable_until), earlier(held.refresh_at));
        (!held.usable_until.is_past(clock)).then_some(held)
    }

    /// Keeps a token. Failing to is told in the log and is no harm: this process has it. `is_new_login`: a logout that
    /// may be remembered there lies before the token was asked for.
    pub(crate) async fn save(&self, held: &Held, is_new_login: bool) {
        let expected = if is_new_login { Expected::NewLogin } else { Expected::Any };
        let ends_ms = held.expiry.unix_ms();
        let put = self.store.put(&self.place, pack(held), Some(ends_ms / 1000), expected);
        let saved = tokio::select! {
            saved = put => saved,
            () = self.clock.sleep(PATIENCE) => return,
        };
        if let Err(error) = saved {
            tracing::warn!(%error, "the token is not kept for the next start");
        }
    }

    /// Removes what is there, and keeps a late write from bringing it back (HARD 14).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn clear(&self) -> Result<(), bearward_store::StoreError> {
        self.store.remove(&self.place).await
    }
}

/// Where a key's secrets stand.
pub(crate) fn place(key: &TokenKey, purpose: Purpose) -> Place {
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
        write!(f, "Shelf({})", self.place)
    }
}
