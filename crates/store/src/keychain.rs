//! Records in the keychain of the system: the Secret Service on Linux, the login keychain on macOS, the Credential
//! Manager on Windows.
//!
//! One item a place, service `bearward`, named by the place's id. The keychain encrypts; the row is not sealed again.
//! It may be locked, ask a person for a password, or not be there, so its calls run on a thread of their own and nobody
//! waits longer than [`TIMEOUT`].
//!
//! A keychain cannot compare and write in one step. Within one process that makes no difference, since the thread does
//! one thing after the other; two processes that write the same place may overwrite each other.

mod item;
mod system;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bearward_token::Clock;

use crate::row::{Row, State};
use crate::rules::{self, Standing};
use crate::{Expected, Listing, Place, Purpose, Record, SecretBytes, Store, StoreError, Storing};
use item::Items;
use worker::{Caller, Opens, Worker};

/// How long a caller waits for the keychain.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// The keychain of whoever runs the process. Nothing is connected before it is first used.
pub struct Keychain {
    worker: Worker,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

impl Keychain {
    /// The system's own.
    pub fn system(clock: Arc<dyn Clock>) -> Self {
        Self::with(Arc::new(system::open), clock)
    }

    /// Waits so long for each answer, instead of [`TIMEOUT`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn with(opens: Opens, clock: Arc<dyn Clock>) -> Self {
        Self { worker: Worker::new(opens), clock, timeout: TIMEOUT }
    }

    fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Items, &dyn Clock, &Caller) -> Result<T, StoreError> + Send + 'static,
    ) -> Storing<'_, T> {
        let clock = self.clock.clone();
        let answer = self.worker.run(move |items, caller| work(items, &*clock, caller));
        Box::pin(async {
            tokio::select! {
                answer = answer => answer,
                () = self.clock.sleep(self.timeout) => Err(StoreError::KeychainTimeout { after: self.timeout }),
            }
        })
    }
}

impl Store for Keychain {
    fn get<'a>(&'a self, place: &'a Place) -> Storing<'a, Option<Record>> {
        let place = place.clone();
        self.on_thread(move |items, clock, _| {
            let row = items.read(&place)?;
            Ok(row.and_then(|row| row.into_record(clock)))
        })
    }

    fn put<'a>(
        &'a self,
        place: &'a Place,
        secret: SecretBytes,
        expires_at: Option<u64>,
        expected: Expected,
    ) -> Storing<'a, u64> {
        let place = place.clone();
        self.on_thread(move |items, clock, caller| {
            rules::check_length(&place, secret.expose().len())?;
            replace(items, clock, caller, place, State::Live { secret, expires_at }, expected)
        })
    }

    fn remove<'a>(&'a self, place: &'a Place) -> Storing<'a, ()> {
        let place = place.clone();
        self.on_thread(move |items, clock, caller| {
            let until = rules::tombstone_until(clock);
            replace(items, clock, caller, place, State::Tombstone { until }, Expected::NewLogin).map(drop)
        })
    }

    /// Some keychains cannot be searched, and those that can ask a person for each item.
    fn list(&self, _: Purpose) -> Storing<'_, Listing> {
        Box::pin(async { Err(StoreError::CannotList) })
    }
}

fn replace(
    items: &mut Items,
    clock: &dyn Clock,
    caller: &Caller,
    place: Place,
    state: State,
    expected: Expected,
) -> Result<u64, StoreError> {
    let standing = match items.read(&place) {
        Ok(found) => found.map_or(Standing::Nothing, |row| row.standing(clock)),
        // What cannot be read stands in nobody's way who logs in or out.
        Err(StoreError::Damaged { .. }) if expected == Expected::NewLogin => Standing::Nothing,
        Err(error) => return Err(error),
    };
    let version = rules::next_version(&place, standing, expected, clock)?;
    // The look may have waited minutes for a person's password, and the caller has been told that it failed.
    if caller.is_gone() {
        return Err(StoreError::Stopped);
    }
    items.write(&Row { place, version, state })?;
    Ok(version)
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keychain")
    }
}

#[cfg(test)]
mod tests;
