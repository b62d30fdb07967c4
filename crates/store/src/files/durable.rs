//! Files that are replaced whole: after a crash at any instant the old one is there or the new one (HARD 33).
//!
//! The new bytes go to a file beside the old one and to the disk, then the name changes hands, then the folder goes to
//! the disk. What is answered for after that outlives the process, and the machine's power too if its disk keeps its word.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use super::folder::Folder;
use crate::{PlaceId, StoreError};

/// The whole file, or its beginning of `limit` and one byte; `None` when there is none.
///
/// # Errors
/// When the file system refuses.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("reading", path, &error)),
    }
}

/// Replaces a record. Callers take turns.
///
/// # Errors
/// When the disk is full or the file system refuses; the old record still stands then. But with
/// [`StoreError::NotDurable`] the new one does.
pub(super) fn replace(folder: &Folder, id: &PlaceId, bytes: &[u8]) -> Result<(), StoreError> {
    let (record, unfinished) = (folder.record(id), folder.unfinished(id));
    let written = write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, &record));
    written.map_err(|error| {
        // On a full disk every byte helps; what cannot be removed now is removed when the store is opened.
        let _ = fs::remove_file(&unfinished);
        failed("writing", &record, &error)
    })?;
    folder.sync_names()
}

/// Says what the system said.
pub(super) fn failed(doing: &'static str, path: &Path, error: &io::Error) -> StoreError {
    let (path, reason) = (path.into(), error.to_string());
    match error.kind() {
        // A quota and a limit on the size of files are full disks to whoever meets them.
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StoreError::DiskFull { path, reason }
        }
        _ => StoreError::Io { doing, path, reason },
    }
}

/// Names that were made or changed in the folder are on the disk afterwards.
#[cfg(unix)]
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere a folder cannot be opened as a file, and the file system's journal has to do.
#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// For its owner alone, where files have such rights.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(test)]
mod tests;
