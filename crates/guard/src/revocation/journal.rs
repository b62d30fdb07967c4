//! How revocations outlive the process: every change is handed to a journal before whoever sent it is answered.
//!
//! A change counts in memory first, at once, and waits in a queue; whoever is next at the journal writes all that wait,
//! with one look at the disk for all of them. After a failure the journal is behind, and the next write replaces it by
//! everything that is known: no change is lost but by a restart in between.

use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Revocation, Source};

/// One change, as a journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was added.
    Add(Told),
    /// It was taken back.
    Remove(Told),
}

/// A revocation with its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Who said it.
    pub source: Source,
    /// What was said, with `until` and, for subjects, `issuedBefore`: it means the same whenever it is read.
    pub revocation: Revocation,
}

/// A place that outlives the process. Its methods may block.
pub trait Journal: fmt::Debug + Send + 'static {
    /// Adds changes at the end. They are safe when this returns.
    ///
    /// # Errors
    /// When that is not certain; it is then replaced before anything else is appended.
    fn append(&mut self, changes: &[Change]) -> io::Result<()>;

    /// Replaces all of it: afterwards there is the old or the new, never a part.
    ///
    /// # Errors
    /// When it is not certain that the new one is safe.
    fn replace(&mut self, all: &mut dyn Iterator<Item = Change>) -> io::Result<()>;

    /// Whether it holds so much that is over that it should be replaced.
    fn is_worn(&self) -> bool;
}

/// A change that counts in memory and did not get into the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the change counts now, but could not be written to the journal, and a restart would undo it: {0}")]
pub struct NotKept(pub String);

/// A journal and what is on the way to it.
#[derive(Debug)]
pub(super) struct Keeping {
    waiting: Mutex<Vec<Change>>,
    /// One writer at a time, waited for without holding a thread: a disk that hangs must not use up all of them.
    pub(super) writer: Arc<tokio::sync::Mutex<Writer>>,
    failure: Mutex<Option<String>>,
}

#[derive(Debug)]
pub(super) struct Writer {
    journal: Box<dyn Journal>,
    /// It does not hold all that it should.
    is_behind: bool,
}

impl Keeping {
    pub(super) fn by(journal: Box<dyn Journal>, failure: Option<String>) -> Self {
        let writer = Writer { journal, is_behind: failure.is_some() };
        let writer = Arc::new(tokio::sync::Mutex::new(writer));
        Self { waiting: Mutex::default(), writer, failure: Mutex::new(failure) }
    }

    /// Lets changes wait. Called in the order in which they count.
    pub(super) fn wait(&self, changes: impl IntoIterator<Item = Change>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(changes);
    }

    /// Why the journal does not hold everything; `None`: it does.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True when there is nothing to write.
    pub(super) fn is_done(&self, writer: &Writer) -> bool {
        !writer.is_behind && self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Writes all that wait. Blocks.
    pub(super) fn write<A: Iterator<Item = Change>>(
        &self,
        writer: &mut Writer,
        all: impl Fn() -> A,
    ) -> Result<(), NotKept> {
        // Before `all` is looked at, so that it holds these; those that come in between are written once more later.
        let changes = mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        // Until it has gone well: a panic must not lose them either.
        let was_behind = mem::replace(&mut writer.is_behind, true);
        if was_behind || writer.journal.append(&changes).is_err() {
            let replaced = writer.journal.replace(&mut all());
            return self.end(writer, replaced);
        }
        let worn = writer.journal.is_worn();
        let outcome = if worn { writer.journal.replace(&mut all()) } else { Ok(()) };
        // What was appended is safe, whether or not the journal got shorter.
        let _ = self.end(writer, outcome);
        Ok(())
    }

    /// Remembers how it went.
    fn end(&self, writer: &mut Writer, outcome: io::Result<()>) -> Result<(), NotKept> {
        writer.is_behind = outcome.is_err();
        let failure = outcome.err().map(|error| error.to_string());
        let mut known = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*known, &failure) {
            (None, Some(reason)) => {
                tracing::error!(reason, "revocations count, but the journal cannot be written");
            }
            (Some(_), None) => tracing::info!("the journal of revocations holds everything again"),
            _ => {}
        }
        known.clone_from(&failure);
        failure.map_or(Ok(()), |reason| Err(NotKept(reason)))
    }
}
