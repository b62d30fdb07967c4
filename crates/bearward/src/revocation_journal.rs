//! Keeps what the admin API and issuers revoke over a restart: JSON Lines, one change a line, in the order in which they
//! happened.
//!
//! ```text
//! start:   journal ─► table ─► a shorter journal, beside it, then in its place
//! later:   change ─► table, and a line at the end, on the disk before anybody is answered
//! ```
//! A process that is killed leaves a last line that is torn at worst, of a change that nobody was told of. Anything else
//! that cannot be read is somebody's doing, and the program does not start on half of what was revoked.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bearward_guard::Revocations;
use bearward_guard::revocation::{Change, Journal};
use bearward_observe::{Condition, Probe};
use bearward_token::Clock;
use tokio::task::JoinHandle;

/// How often it is tried again to write what could not be written.
const INTERVAL: Duration = Duration::from_secs(5);
/// So many lines may be over before the journal is written anew.
const MOST_OVER: usize = 10_000;
/// Attempts at a file that another one keeps replacing.
const ATTEMPTS: usize = 10;
/// For its owner alone: it names people.
const MODE: u32 = 0o600;

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be opened, read or replaced.
    #[error("the journal of revocations {path} cannot be used: {source}")]
    Unusable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process writes it.
    #[error(
        "the journal of revocations {path} is another process's; give each process its own `revocation.journal`"
    )]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// A line that is not the last one, or is whole, and cannot be read.
    #[error(
        "the journal of revocations {path}, line {line}: {problem}; put it right, or remove the line and with it what \
         it says"
    )]
    Line {
        /// Where.
        path: PathBuf,
        /// Which, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

/// Reads a journal into what is known, and lets it be kept there from now on. Blocks; for the start.
///
/// A disk that is full is no error here: what was kept is known, and readiness says that nothing more can be.
///
/// # Errors
/// As [`JournalError`] says.
pub fn open(path: &Path, revocations: Revocations) -> Result<Revocations, JournalError> {
    let unusable = |source| JournalError::Unusable { path: path.to_owned(), source };
    let file = open_alone(path)?;
    // Replaced where it is, not where a link to it is.
    let place = fs::canonicalize(path).map_err(unusable)?;
    let lines = read(path, &file, &revocations)?;
    let mut journal = JournalFile { path: place, file, lines, at_first: lines };
    let failure = match journal.replace(&mut revocations.lasting()) {
        Ok(()) => None,
        Err(error) if is_full(&error) => {
            tracing::error!(%error, "revocations are known, but the journal cannot be written");
            Some(error.to_string())
        }
        Err(error) => return Err(unusable(error)),
    };
    Ok(revocations.kept_by(Box::new(journal), failure))
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Two processes would each replace what the other one wrote.
fn open_alone(path: &Path) -> Result<File, JournalError> {
    let unusable = |source| JournalError::Unusable { path: path.to_owned(), source };
    for _ in 0..ATTEMPTS {
        let open = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path);
        let file = open.map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Taken { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => {
                tracing::warn!(path = %path.display(), %error, "the journal cannot be locked; let nobody else use it");
            }
        }
        // Whoever had it may have replaced it in between, and gone.
        if is_at(&file, path).map_err(unusable)? {
            return Ok(file);
        }
    }
    Err(JournalError::Taken { path: path.to_owned() })
}

/// Takes every line in; how many there are.
fn read(path: &Path, file: &File, revocations: &Revocations) -> Result<usize, JournalError> {
    let mut reader = BufReader::new(file);
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line);
        let length = length.map_err(|source| JournalError::Unusable { path: path.to_owned(), source })?;
        if length == 0 {
            return Ok(number);
        }
        number += 1;
        let broken = |problem: String| JournalError::Line { path: path.to_owned(), line: number, problem };
        match serde_json::from_slice::<Change>(&line) {
            Ok(change) => revocations.repeat(&change).map_err(|error| broken(error.to_string()))?,
            Err(_) if line.last() != Some(&b'\n') => {
                tracing::warn!(
                    path = %path.display(),
                    line = number,
                    "the last line of the journal of revocations was not written to its end and is left out; \
                     nobody was told that it counts"
                );
            }
            Err(error) => return Err(broken(error.to_string())),
        }
    }
}

/// The journal as a file that only this process writes.
#[derive(Debug)]
struct JournalFile {
    path: PathBuf,
    /// Opened to append, and locked.
    file: File,
    lines: usize,
    /// How many there were when it was last written anew.
    at_first: usize,
}

impl Journal for JournalFile {
    fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        // What is written to a file that somebody moved away would be gone with the next start.
        if !is_at(&self.file, &self.path)? {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it was moved away or replaced"));
        }
        let mut text = Vec::new();
        for change in changes {
            write_line(&mut text, change)?;
        }
        self.file.write_all(&text)?;
        // Its length goes with it; its times may wait.
        self.file.sync_data()?;
        self.lines += changes.len();
        Ok(())
    }

    fn replace(&mut self, all: &mut dyn Iterator<Item = Change>) -> io::Result<()> {
        let beside = beside(&self.path);
        let written = write_anew(&beside, all).and_then(|written| {
            fs::rename(&beside, &self.path)?;
            Ok(written)
        });
        let (file, lines) = written.inspect_err(|_| {
            // There is none, or the next attempt removes it.
            let _ = fs::remove_file(&beside);
        })?;
        (self.file, self.lines, self.at_first) = (file, lines, lines);
        // The name is on the disk when its folder is.
        File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()
    }

    fn is_worn(&self) -> bool {
        self.lines > 2 * self.at_first + MOST_OVER
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// A file that was not there before, with these lines, safe on the disk; and how many they are.
fn write_anew(path: &Path, all: &mut dyn Iterator<Item = Change>) -> io::Result<(File, usize)> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().append(true).create_new(true).mode(MODE).open(path)?;
    // Nobody else knows it yet; a file system without locks was told of when the journal was opened.
    let _ = file.try_lock();
    let (mut writer, mut lines) = (BufWriter::new(file), 0);
    for change in all {
        write_line(&mut writer, &change)?;
        lines += 1;
    }
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok((file, lines))
}

fn write_line(to: &mut impl Write, change: &Change) -> io::Result<()> {
    serde_json::to_writer(&mut *to, change)?;
    to.write_all(b"\n")
}

/// Whether a path still leads to this file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes again what could not be written, and says so for as long as it cannot. Ends when this is dropped.
pub(crate) struct RevocationJournal {
    path: PathBuf,
    revocations: Arc<Revocations>,
    task: JoinHandle<()>,
}

impl RevocationJournal {
    /// Must be called within a tokio runtime.
    pub(crate) fn tend(path: PathBuf, revocations: Arc<Revocations>, clock: Arc<dyn Clock>) -> Self {
        let task = tokio::spawn(tend(revocations.clone(), clock));
        Self { path, revocations, task }
    }
}

impl Drop for RevocationJournal {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Probe for RevocationJournal {
    fn name(&self) -> String {
        format!("journal of revocations in {}", self.path.display())
    }

    fn condition(&self) -> Condition {
        match self.revocations.not_kept() {
            None => Condition::Ready,
            Some(reason) => Condition::Degraded {
                reason: format!("cannot be written, a restart would undo the latest changes: {reason}"),
            },
        }
    }
}

async fn tend(revocations: Arc<Revocations>, clock: Arc<dyn Clock>) {
    loop {
        clock.sleep(INTERVAL).await;
        // What went wrong stands in the log, and in the condition.
        let _ = revocations.keep().await;
    }
}

#[cfg(test)]
mod tests;
