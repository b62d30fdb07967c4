//! Why a store did not do what it was asked, sorted by what can be done about it.

use std::path::PathBuf;
use std::time::Duration;

use crate::policy::Kept;

/// What a [`crate::Store`] answers when it fails. Carries no secret and no user's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Something else stands there than the write expected: somebody was faster.
    #[error("another version of the {what} stands in the store: read it again and go on from there")]
    Conflict {
        /// Which record.
        what: String,
        /// The version that stands there; `None`: nothing does.
        found: Option<u64>,
    },
    /// A logout removed it, and nobody has logged in since.
    #[error("a logout removed the {what}: log in again")]
    LoggedOut {
        /// Which record.
        what: String,
    },
    /// One record cannot be read. The others are not harmed.
    #[error("{location}: {damage}")]
    Damaged {
        /// The file or the keychain's item.
        location: String,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The secret is too long for the store.
    #[error(
        "the {what} is too long for this store: {bytes} bytes with what belongs to it, at most {limit}{advice}"
    )]
    TooLarge {
        /// Which record.
        what: String,
        /// How long it is.
        bytes: usize,
        /// The limit.
        limit: usize,
        /// What to do, behind a colon; or nothing.
        advice: &'static str,
    },
    /// The names that make the place are too long for the store.
    #[error(
        "tenant, issuer, user and client of the {purpose} have {bytes} bytes together, and this store keeps at most \
         {limit}: no server gives out such names, look at who sends them"
    )]
    PlaceTooLong {
        /// What kind of record it is.
        purpose: &'static str,
        /// How long they are, with their lengths.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Memory holds as many records as it may.
    #[error("{limit} records are kept in memory and none has expired: no more are taken")]
    Full {
        /// How many it may hold.
        limit: usize,
    },
    /// There is no room on the disk.
    #[error("there is no room to write `{path}` ({reason}): make room; what was stored before is not harmed")]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Written, and perhaps not for ever: it is read from now on, and the machine's power may take it back.
    #[error(
        "what was written to `{path}` stands there and may not outlive a crash of the machine ({reason}): see to the disk"
    )]
    NotDurable {
        /// The folder whose names did not go to the disk.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file system refused.
    #[error("{doing} `{path}` failed: {reason}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The folder of records may be somebody else's: who made it decides what is in it.
    #[error("`{path}` {reason}: Bearward keeps records in a folder that it made; {advice}")]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// What it is.
        reason: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Another process writes there.
    #[error("`{path}` is in use by {}: end it, or give each process a `state.path` of its own", holder(.pid))]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who, where the lock tells.
        pid: Option<u32>,
    },
    /// There is no keychain to speak to.
    #[error("no keychain can be reached ({reason}): {advice}, or use storage `encrypted`")]
    NoKeychain {
        /// What the system said.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The keychain is locked and nobody unlocked it.
    #[error(
        "the keychain is locked, or has no default keyring ({reason}): {advice}, or use storage `encrypted`"
    )]
    KeychainLocked {
        /// What the system said.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The keychain did not answer. A write may still have happened.
    #[error(
        "the keychain did not answer within {} ms; if it asks for a password on the screen, answer it. \
         Where nobody sits before the screen, use storage `encrypted`",
        .after.as_millis()
    )]
    KeychainTimeout {
        /// The limit.
        after: Duration,
    },
    /// The keychain refused for another reason.
    #[error("the keychain failed: {reason}")]
    Keychain {
        /// What it said.
        reason: String,
    },
    /// This store cannot say what it holds.
    #[error("a keychain cannot list what it holds: ask for each place")]
    CannotList,
    /// The configuration asks for a store that it does not describe.
    #[error("storage `{kept}` is asked for, and {}", .kept.missing())]
    NotConfigured {
        /// Which one.
        kept: Kept,
    },
    /// Sealing failed inside the cryptographic library.
    #[error("the {what} could not be sealed: the cryptographic library failed")]
    Sealing {
        /// Which record.
        what: String,
    },
    /// The process is ending, or the store's own work failed in a way that nobody foresaw.
    #[error("the store has stopped")]
    Stopped,
}

/// What is wrong with one record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Its end is missing.
    #[error("the record is truncated at {bytes} bytes: log in again, or restore the file")]
    Truncated {
        /// How long it is.
        bytes: usize,
    },
    /// It was written by another version of Bearward, or is no record.
    #[error("not a record of a format that this version knows (format {format})")]
    UnknownFormat {
        /// Its first byte.
        format: u8,
    },
    /// It is sealed with a key that is not configured.
    #[error(
        "the record is sealed with key {key}, which is not configured: add that key behind the newest in `state.key`"
    )]
    UnknownKey {
        /// The key's id: eight bytes of its SHA-256.
        key: String,
    },
    /// It is sealed for another place.
    #[error("the record belongs elsewhere, to {belongs}: files were renamed or swapped")]
    Misplaced {
        /// The id of its place.
        belongs: String,
    },
    /// It was changed after it was written.
    #[error("the record was altered or damaged after it was written: log in again, or restore the file")]
    Altered,
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}
