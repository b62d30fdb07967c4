//! Records in memory: bounded, wiped when they go, gone with the process.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bearward_token::Clock;

use crate::rules::{self, Standing};
use crate::{Expected, Listing, Place, PlaceId, Purpose, Record, SecretBytes, Store, StoreError, Storing};

/// A store that no disk ever sees. Tombstones have as much room as records, and of their own: a logout never fails.
pub struct Memory {
    clock: Arc<dyn Clock>,
    limit: usize,
    shelves: Mutex<Shelves>,
}

#[derive(Default)]
struct Shelves {
    records: HashMap<PlaceId, (Place, Record)>,
    tombstones: HashMap<PlaceId, Tombstone>,
    /// In the order they were made, which is the order they go. What was replaced since is still named here.
    made: VecDeque<(PlaceId, Tombstone)>,
    /// Before this second no record expires, and looking for one is in vain. `None`: none ever does.
    next_expiry: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Tombstone {
    version: u64,
    until: u64,
}

impl Memory {
    /// Keeps at most so many records.
    pub fn new(limit: usize, clock: Arc<dyn Clock>) -> Self {
        Self { clock, limit, shelves: Mutex::default() }
    }

    fn read(&self, place: &Place) -> Option<Record> {
        let shelves = self.shelves();
        let (_, record) = shelves.records.get(&place.id())?;
        (!self.is_expired(record)).then(|| record.clone())
    }

    fn write(
        &self,
        place: &Place,
        secret: SecretBytes,
        expires_at: Option<u64>,
        expected: Expected,
    ) -> Result<u64, StoreError> {
        rules::check_length(place, secret.expose().len())?;
        let id = place.id();
        let shelves = &mut *self.shelves();
        self.forget_tombstones(shelves);
        let standing = self.standing(shelves, &id);
        let version = rules::next_version(place, standing, expected, &*self.clock)?;
        if !shelves.records.contains_key(&id) {
            self.make_room(shelves)?;
        }
        shelves.tombstones.remove(&id);
        shelves.next_expiry = shelves.next_expiry.into_iter().chain(expires_at).min();
        shelves.records.insert(id, (place.clone(), Record { secret, expires_at, version }));
        Ok(version)
    }

    fn bury(&self, place: &Place) {
        let id = place.id();
        let shelves = &mut *self.shelves();
        let version = rules::successor(self.standing(shelves, &id), &*self.clock);
        let tombstone = Tombstone { version, until: rules::tombstone_until(&*self.clock) };
        shelves.records.remove(&id);
        shelves.tombstones.insert(id, tombstone);
        shelves.made.push_back((id, tombstone));
        self.forget_tombstones(shelves);
    }

    fn places(&self, purpose: Purpose) -> Vec<Place> {
        let shelves = self.shelves();
        let live = shelves.records.values().filter(|(_, record)| !self.is_expired(record));
        live.filter(|(place, _)| place.purpose == purpose).map(|(place, _)| place.clone()).collect()
    }

    fn standing(&self, shelves: &Shelves, id: &PlaceId) -> Standing {
        if let Some((_, record)) = shelves.records.get(id) {
            return Standing::Record { version: record.version, is_expired: self.is_expired(record) };
        }
        match shelves.tombstones.get(id) {
            Some(tombstone) if !rules::is_over(tombstone.until, &*self.clock) => {
                Standing::Tombstone { version: tombstone.version }
            }
            _ => Standing::Nothing,
        }
    }

    /// Drops those that are over, and the oldest when there are too many.
    fn forget_tombstones(&self, shelves: &mut Shelves) {
        while let Some((id, tombstone)) = shelves.made.front().copied() {
            if shelves.made.len() <= self.limit && !rules::is_over(tombstone.until, &*self.clock) {
                return;
            }
            shelves.made.pop_front();
            if shelves.tombstones.get(&id) == Some(&tombstone) {
                shelves.tombstones.remove(&id);
            }
        }
    }

    fn make_room(&self, shelves: &mut Shelves) -> Result<(), StoreError> {
        if shelves.records.len() < self.limit {
            return Ok(());
        }
        if shelves.next_expiry.is_some_and(|moment| rules::is_over(moment, &*self.clock)) {
            shelves.records.retain(|_, (_, record)| !self.is_expired(record));
            shelves.next_expiry = shelves.records.values().filter_map(|(_, record)| record.expires_at).min();
        }
        match shelves.records.len() < self.limit {
            true => Ok(()),
            false => Err(StoreError::Full { limit: self.limit }),
        }
    }

    fn is_expired(&self, record: &Record) -> bool {
        record.expires_at.is_some_and(|moment| rules::is_over(moment, &*self.clock))
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn get<'a>(&'a self, place: &'a Place) -> Storing<'a, Option<Record>> {
        Box::pin(async { Ok(self.read(place)) })
    }

    fn put<'a>(
        &'a self,
        place: &'a Place,
        secret: SecretBytes,
        expires_at: Option<u64>,
        expected: Expected,
    ) -> Storing<'a, u64> {
        Box::pin(async move { self.write(place, secret, expires_at, expected) })
    }

    fn remove<'a>(&'a self, place: &'a Place) -> Storing<'a, ()> {
        Box::pin(async {
            self.bury(place);
            Ok(())
        })
    }

    fn list(&self, purpose: Purpose) -> Storing<'_, Listing> {
        Box::pin(async move { Ok(Listing { places: self.places(purpose), unreadable: Vec::new() }) })
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} of {} records)", self.shelves().records.len(), self.limit)
    }
}

#[cfg(test)]
mod tests;
