//! One row as one item of the keychain.

use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

use super::system::{ADVICE_LOCKED, ADVICE_MISSING, MAX_BYTES, modifiers};
use super::worker::Opens;
use crate::row::Row;
use crate::{Damage, Place, StoreError};

/// What all items are filed under.
const SERVICE: &str = "bearward";
/// The first byte; another one when the layout changes.
const FORMAT: u8 = 1;

/// The items of one connection, which is made when it is needed and made again when it breaks.
pub(super) struct Items {
    opens: Opens,
    store: Option<Arc<CredentialStore>>,
}

impl Items {
    pub(super) fn new(opens: Opens) -> Self {
        Self { opens, store: None }
    }

    /// What stands at the place.
    pub(super) fn read(&mut self, place: &Place) -> Result<Option<Row>, StoreError> {
        let was_connected = self.store.is_some();
        match self.try_read(place) {
            // The keychain may have been started anew since the last call: then only the connection is gone.
            Err(Error::PlatformFailure(_)) if was_connected => {
                self.store = None;
                self.try_read(place)
            }
            read => read,
        }
        .map_err(|error| self.explain(place, &error))?
        .map(|bytes| decode(place, &bytes))
        .transpose()
    }

    pub(super) fn write(&mut self, row: &Row) -> Result<(), StoreError> {
        let content = row.encode(0);
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + 8 + content.len()));
        bytes.push(FORMAT);
        bytes.extend_from_slice(&row.version.to_be_bytes());
        bytes.extend_from_slice(&content);
        if let Some(limit) = MAX_BYTES.filter(|limit| bytes.len() > *limit) {
            return Err(too_large(&row.place, bytes.len(), limit));
        }
        let written = self.entry(&row.place).and_then(|entry| entry.set_secret(&bytes));
        written.map_err(|error| self.explain(&row.place, &error))
    }

    fn try_read(&mut self, place: &Place) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        match self.entry(place)?.get_secret() {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn entry(&mut self, place: &Place) -> Result<Entry, Error> {
        let store = match &self.store {
            Some(store) => store,
            None => self.store.insert((self.opens)()?),
        };
        let label = format!("Bearward: {place}");
        store.build(SERVICE, &place.id().to_string(), Some(&modifiers(&label)))
    }

    /// In our words, and with the connection dropped if it may be the cause.
    fn explain(&mut self, place: &Place, error: &Error) -> StoreError {
        let reason = error.to_string();
        match error {
            Error::NoStorageAccess(_) => StoreError::KeychainLocked { reason, advice: ADVICE_LOCKED },
            Error::TooLong(_, limit) => too_large(place, *limit as usize + 1, *limit as usize),
            Error::PlatformFailure(_) | Error::NoDefaultStore if self.store.is_none() => {
                StoreError::NoKeychain { reason, advice: ADVICE_MISSING }
            }
            _ => {
                self.store = None;
                StoreError::Keychain { reason }
            }
        }
    }
}

fn decode(place: &Place, bytes: &[u8]) -> Result<Row, StoreError> {
    let damaged =
        |damage| StoreError::Damaged { location: format!("the keychain's item {}", place.id()), damage };
    let (format, rest) = bytes.split_first().ok_or_else(|| damaged(Damage::Truncated { bytes: 0 }))?;
    if *format != FORMAT {
        return Err(damaged(Damage::UnknownFormat { format: *format }));
    }
    let row = rest
        .split_first_chunk()
        .and_then(|(version, content)| Row::decode(u64::from_be_bytes(*version), content))
        .ok_or_else(|| damaged(Damage::Altered))?;
    match row.place == *place {
        true => Ok(row),
        false => Err(damaged(Damage::Misplaced { belongs: row.place.id().to_string() })),
    }
}

fn too_large(place: &Place, bytes: usize, limit: usize) -> StoreError {
    StoreError::TooLarge { what: place.to_string(), bytes, limit, advice: ": use storage `encrypted`" }
}
