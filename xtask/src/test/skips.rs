//! The file in which tests record what they left out, one line each.

use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::Stop;

/// The file of one run.
pub(super) struct Skips {
    file: PathBuf,
}

impl Skips {
    /// An empty file in `folder`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn begin(folder: &Path) -> Result<Self, Stop> {
        let file = folder.join(format!("skips-{}.txt", std::process::id()));
        fs::create_dir_all(folder).map_err(Stop::file("making the target folder"))?;
        fs::write(&file, "").map_err(Stop::file("writing the list of skips"))?;
        Ok(Self { file })
    }

    /// Where tests append their lines.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// What was skipped, each once; removes the file.
    ///
    /// # Errors
    /// When it cannot be read: what was skipped would be unknown.
    pub(super) fn end(self) -> Result<Vec<String>, Stop> {
        let text = fs::read_to_string(&self.file).map_err(Stop::file("reading the list of skips"))?;
        // It has been read; a leftover is harmless.
        let _ = fs::remove_file(&self.file);
        let mut skips: Vec<_> = text.lines().map(String::from).collect();
        skips.sort();
        skips.dedup();
        Ok(skips)
    }
}
