//! Sealed records on disk, one file each, so that damage to one harms no other.
//!
//! ```text
//! <state.path>/records/            0700
//!   lock                           held while the store is open: one process writes
//!   <id of the place, 64 digits>   0600, replaced whole
//!   <id>.tmp                       a write that was cut off; removed when the store is opened
//! ```
//! An append-only log would need one fsync less a write, and pay for it with compaction and with damage that spreads. A
//! refresh token is written once in minutes.

mod durable;
mod folder;
mod sweep;

pub use folder::FolderLock;
pub use sweep::Swept;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bearward_token::{Clock, Expiry};
use tokio::task::spawn_blocking;

use crate::row::{Row, State};
use crate::rules::{self, Standing};
use crate::seal::{OVERHEAD, Opened};
use crate::store::MAX_SECRET_BYTES;
use crate::{
    Damage, Expected, Listing, Place, PlaceId, Purpose, Record, SealingKeys, SecretBytes, Store, StoreError,
    Storing,
};
use folder::{Folder, SyncNames};

/// Longest place, in bytes: what is longer would be written and then be taken for an altered file.
const MAX_PLACE_BYTES: usize = 60 * 1024;
/// No file of ours is longer: the longest secret, the longest place, and room for what stands with them.
const MAX_FILE_BYTES: u64 = (MAX_SECRET_BYTES + OVERHEAD) as u64 + 64 * 1024;

/// So often who waits for the folder looks whether it is free: no system tells when.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// A folder of sealed records. Cheap to clone; the folder is free when the last one goes.
#[derive(Clone)]
pub struct SealedFiles(Arc<Inner>);

struct Inner {
    folder: Folder,
    keys: SealingKeys,
    clock: Arc<dyn Clock>,
    /// What stands at a place must not change between looking and writing. Reading needs no lock: files are replaced
    /// whole.
    writing: Mutex<()>,
}

impl SealedFiles {
    /// Opens the folder `records` below `path`, and makes what is missing. Removes what a cut-off write left, seals
    /// anew what an older key sealed, and warns of records that cannot be read.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it open; others when the folder cannot be made or read. Damaged
    /// records are no error here.
    pub async fn open(
        path: impl Into<PathBuf>,
        keys: SealingKeys,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        Self::open_within(path, keys, clock, Duration::ZERO).await
    }

    /// The same, and while another process has the folder open, waits for it, for `patience` at most: who comes once
    /// for a moment meets another such.
    ///
    /// # Errors
    /// As [`SealedFiles::open`], [`StoreError::InUse`] when `patience` is over.
    pub async fn open_within(
        path: impl Into<PathBuf>,
        keys: SealingKeys,
        clock: Arc<dyn Clock>,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        let sync: SyncNames = Arc::new(durable::sync_folder);
        let folder = held_within(&path.into(), &*clock, patience, &sync).await?;
        Self::open_in(folder, keys, clock).await
    }

    async fn open_in(folder: Folder, keys: SealingKeys, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let inner = blocking(move || {
            let inner = Inner { folder, keys, clock, writing: Mutex::default() };
            inner.sweep()?.tell();
            Ok(inner)
        });
        Ok(Self(Arc::new(inner.await?)))
    }

    /// Where the records are.
    pub fn folder(&self) -> &Path {
        self.0.folder.path()
    }

    /// Runs on a thread that may wait for the disk. Once begun it is finished, also when nobody waits for it any more.
    fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Storing<'_, T> {
        let inner = self.0.clone();
        Box::pin(blocking(move || work(&inner)))
    }
}

/// The folder, once nobody else holds it.
async fn held_within(
    path: &Path,
    clock: &dyn Clock,
    patience: Duration,
    sync: &SyncNames,
) -> Result<Folder, StoreError> {
    let end = Expiry::after(clock, patience);
    loop {
        let (path, sync) = (path.to_owned(), sync.clone());
        match blocking(move || Folder::open(&path, sync)).await {
            Err(StoreError::InUse { .. }) if !end.is_past(clock) => clock.sleep(LOCK_INTERVAL).await,
            outcome => return outcome,
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.unwrap_or(Err(StoreError::Stopped))
}

impl Store for SealedFiles {
    fn get<'a>(&'a self, place: &'a Place) -> Storing<'a, Option<Record>> {
        let id = place.id();
        self.on_disk(move |inner| {
            let row = inner.read(&id)?.map(|opened| opened.row);
            Ok(row.and_then(|row| row.into_record(&*inner.clock)))
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
        self.on_disk(move |inner| inner.replace(place, State::Live { secret, expires_at }, expected))
    }

    fn remove<'a>(&'a self, place: &'a Place) -> Storing<'a, ()> {
        let place = place.clone();
        self.on_disk(move |inner| {
            let until = rules::tombstone_until(&*inner.clock);
            inner.replace(place, State::Tombstone { until }, Expected::NewLogin).map(drop)
        })
    }

    fn list(&self, purpose: Purpose) -> Storing<'_, Listing> {
        self.on_disk(move |inner| inner.list(purpose))
    }
}

impl Inner {
    fn read(&self, id: &PlaceId) -> Result<Option<Opened>, StoreError> {
        let path = self.folder.record(id);
        let damaged = |damage| StoreError::Damaged { location: path.display().to_string(), damage };
        let Some(bytes) = durable::read(&path, MAX_FILE_BYTES)? else { return Ok(None) };
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(damaged(Damage::Altered));
        }
        self.keys.open(id, &bytes).map(Some).map_err(damaged)
    }

    fn replace(&self, place: Place, state: State, expected: Expected) -> Result<u64, StoreError> {
        if let State::Live { secret, .. } = &state {
            rules::check_length(&place, secret.expose().len())?;
        }
        check_place(&place)?;
        let id = place.id();
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.folder.sync_owed_names()?;
        let standing = match self.read(&id) {
            Ok(found) => found.map_or(Standing::Nothing, |found| found.row.standing(&*self.clock)),
            // What cannot be read stands in nobody's way who logs in or out.
            Err(StoreError::Damaged { .. }) if expected == Expected::NewLogin => Standing::Nothing,
            Err(error) => return Err(error),
        };
        let version = rules::next_version(&place, standing, expected, &*self.clock)?;
        self.write(&id, &Row { place, version, state })?;
        Ok(version)
    }

    fn write(&self, id: &PlaceId, row: &Row) -> Result<(), StoreError> {
        durable::replace(&self.folder, id, &self.keys.seal(row)?)
    }

    fn list(&self, purpose: Purpose) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        for id in self.folder.ids()? {
            match self.read(&id) {
                Ok(Some(Opened { row, .. })) => {
                    let place = row.place.clone();
                    let is_live = row.into_record(&*self.clock).is_some();
                    listing.places.extend((is_live && place.purpose == purpose).then_some(place));
                }
                // Removed since the folder was read.
                Ok(None) => {}
                Err(error) => listing.unreadable.push(error),
            }
        }
        Ok(listing)
    }
}

fn check_place(place: &Place) -> Result<(), StoreError> {
    let bytes = place.encode().len();
    match bytes > MAX_PLACE_BYTES {
        true => {
            Err(StoreError::PlaceTooLong { purpose: place.purpose.as_str(), bytes, limit: MAX_PLACE_BYTES })
        }
        false => Ok(()),
    }
}

impl fmt::Debug for SealedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedFiles({}, keys {:?})", self.folder().display(), self.0.keys)
    }
}

#[cfg(test)]
mod tests;
