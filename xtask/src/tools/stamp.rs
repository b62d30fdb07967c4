//! Remembers from which lists a folder was installed, so that a changed list installs anew.

use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::Stop;

/// The lists a folder is installed from, and the note beside it of those it was installed from.
pub(super) struct Stamp {
    folder: PathBuf,
    note: PathBuf,
    lists: String,
}

impl Stamp {
    /// # Errors
    /// When a list cannot be read.
    pub(super) fn new(folder: &Path, lists: &[PathBuf]) -> Result<Self, Stop> {
        let mut text = String::new();
        for list in lists {
            text += &fs::read_to_string(list).map_err(Stop::file(format!("reading {}", list.display())))?;
        }
        let note = folder.with_extension("installed");
        Ok(Self { folder: folder.to_path_buf(), note, lists: text })
    }

    /// Whether the folder is there and was installed from these very lists.
    pub(super) fn holds(&self) -> bool {
        self.folder.is_dir() && fs::read_to_string(&self.note).is_ok_and(|note| note == self.lists)
    }

    /// Empties the folder; until [`Self::write`] it counts as not installed.
    ///
    /// # Errors
    /// When the old folder cannot be removed or a new one not made.
    pub(super) fn clear(&self) -> Result<(), Stop> {
        let failed = |what: &str| Stop::file(format!("{what} {}", self.folder.display()));
        if self.note.exists() {
            fs::remove_file(&self.note).map_err(failed("removing the note of"))?;
        }
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(failed("removing"))?;
        }
        fs::create_dir_all(&self.folder).map_err(failed("making"))
    }

    /// # Errors
    /// When the note cannot be written.
    pub(super) fn write(&self) -> Result<(), Stop> {
        fs::write(&self.note, &self.lists).map_err(Stop::file(format!("writing {}", self.note.display())))
    }
}
