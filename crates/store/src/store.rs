//! What every store can do, and promises.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::{Expected, Place, Purpose, Record, SecretBytes, StoreError};

/// How long a logout is remembered: longer than any write that was on its way can still be, a machine that slept over
/// night included.
pub const TOMBSTONE_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Longest secret, in bytes. A token that is longer fits into no header.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// What a [`Store`] hands out.
pub type Storing<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps secrets at places.
///
/// What is written has a version, which grows with every write at its place and is not used there again. A future that
/// is dropped half way leaves the record as it was, or as it was to be.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// What stands at the place; `None` when nothing does, and for what has expired or was removed.
    ///
    /// # Errors
    /// When the store, or this one record, cannot be read.
    fn get<'a>(&'a self, place: &'a Place) -> Storing<'a, Option<Record>>;

    /// Writes what is expected to replace, and answers with its version. Durable when the store is: what was
    /// answered for outlives the process (HARD 13, 33).
    ///
    /// `expires_at` is in seconds since the Unix epoch; `None` never expires.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] and [`StoreError::LoggedOut`] when something else stands there; others when the store
    /// cannot be read or written. After [`StoreError::NotDurable`] the new record stands there, so that the same write
    /// meets it as a conflict; no conflict is told before what stands there is durable.
    fn put<'a>(
        &'a self,
        place: &'a Place,
        secret: SecretBytes,
        expires_at: Option<u64>,
        expected: Expected,
    ) -> Storing<'a, u64>;

    /// Removes what stands there, wipes it, and remembers for [`TOMBSTONE_LIFETIME`] that it was removed: until then
    /// only [`Expected::NewLogin`] writes there again, also where nothing stood (HARD 14).
    ///
    /// # Errors
    /// When the store cannot be written. After [`StoreError::NotDurable`] it is removed all the same.
    fn remove<'a>(&'a self, place: &'a Place) -> Storing<'a, ()>;

    /// All places of a purpose where something stands, for a warm start.
    ///
    /// # Errors
    /// [`StoreError::CannotList`] from a store that cannot know.
    fn list(&self, purpose: Purpose) -> Storing<'_, Listing>;
}

/// What [`Store::list`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// In no order.
    pub places: Vec<Place>,
    /// Records that cannot be read, of whatever purpose they are; the others are not harmed.
    pub unreadable: Vec<StoreError>,
}
