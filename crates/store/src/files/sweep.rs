//! Going through all records once: seals anew what an older key sealed, drops what nobody needs any more.

use std::fs;
use std::sync::PoisonError;

use super::durable::failed;
use super::{Inner, SealedFiles};
use crate::row::State;
use crate::rules;
use crate::seal::Opened;
use crate::store::TOMBSTONE_LIFETIME;
use crate::{PlaceId, StoreError, Storing};

/// What a sweep found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Records and tombstones that stand there now.
    pub kept: usize,
    /// How many of them were sealed anew with the newest key.
    pub resealed: usize,
    /// How many were dropped: tombstones whose time is over, and records that expired a day ago.
    pub dropped: usize,
    /// What cannot be read, dropped or sealed anew. It is left as it is.
    pub failed: Vec<StoreError>,
}

impl SealedFiles {
    /// Goes through all records, as opening does. A process that runs for months does it now and then.
    ///
    /// # Errors
    /// When the folder cannot be read. What fails for one record is told in the answer.
    pub fn sweep(&self) -> Storing<'_, Swept> {
        self.on_disk(Inner::sweep)
    }
}

impl Inner {
    pub(super) fn sweep(&self) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        for id in self.folder.ids()? {
            if let Err(error) = self.sweep_one(&id, &mut swept) {
                swept.failed.push(error);
            }
        }
        Ok(swept)
    }

    fn sweep_one(&self, id: &PlaceId, swept: &mut Swept) -> Result<(), StoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read(id)? {
            Some(opened) if self.is_needless(&opened) => {
                let path = self.folder.record(id);
                fs::remove_file(&path).map_err(|error| failed("removing", &path, &error))?;
                swept.dropped += 1;
            }
            Some(Opened { row, is_newest_key }) => {
                swept.kept += 1;
                if !is_newest_key {
                    self.write(id, &row)?;
                    swept.resealed += 1;
                }
            }
            // Removed by somebody's hand since the folder was read.
            None => {}
        }
        Ok(())
    }

    /// A record is given a day after its end: a clock that was set wrong for an hour must not cost a token.
    fn is_needless(&self, opened: &Opened) -> bool {
        match opened.row.state {
            State::Tombstone { until } => rules::is_over(until, &*self.clock),
            State::Live { expires_at, .. } => expires_at.is_some_and(|moment| {
                rules::is_over(moment.saturating_add(TOMBSTONE_LIFETIME.as_secs()), &*self.clock)
            }),
        }
    }
}

impl Swept {
    /// Writes into the log what a person should know: damage alone makes a warning, and each time that it is found.
    pub fn tell(&self) {
        if self.resealed > 0 {
            tracing::info!(records = self.resealed, "records were sealed anew with the newest key");
        }
        for error in &self.failed {
            tracing::warn!(%error, "a stored record is left as it is; the others are not harmed");
        }
    }
}
