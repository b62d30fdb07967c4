//! The folder of records: made private, held by one process, cleaned of what a crash left.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::durable::{failed, private, sync_folder};
use crate::{PlaceId, StoreError};

const LOCK: &str = "lock";
const UNFINISHED: &str = "tmp";

/// Brings the names in a folder to the disk; a test's disk refuses.
pub(super) type SyncNames = Arc<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;

/// Open, and locked while this lives.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
    sync: SyncNames,
    /// A name changed hands and did not go to the disk.
    owes_sync: AtomicBool,
}

impl Folder {
    pub(super) fn open(state: &Path, sync: SyncNames) -> Result<Self, StoreError> {
        let path = state.join("records");
        make_private(&path)?;
        // Its name must not be lost with the power either; whoever may not read the folders above cannot help that.
        for above in path.ancestors().skip(1).take(2) {
            let _ = sync_folder(above);
        }
        let lock = lock(&path)?;
        let folder = Self { path, _lock: lock, sync, owes_sync: AtomicBool::new(false) };
        folder.remove_unfinished()?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn record(&self, id: &PlaceId) -> PathBuf {
        self.path.join(id.to_string())
    }

    /// What stands in the folder outlives the machine's power afterwards.
    pub(super) fn sync_names(&self) -> Result<(), StoreError> {
        let synced = (self.sync)(&self.path);
        self.owes_sync.store(synced.is_err(), Ordering::Relaxed);
        synced.map_err(|error| StoreError::NotDurable { path: self.path.clone(), reason: error.to_string() })
    }

    /// Makes good what an earlier write could not: whoever tries again must not be told that all is well.
    pub(super) fn sync_owed_names(&self) -> Result<(), StoreError> {
        match self.owes_sync.load(Ordering::Relaxed) {
            true => self.sync_names(),
            false => Ok(()),
        }
    }

    /// Where a record is written before it takes its name.
    pub(super) fn unfinished(&self, id: &PlaceId) -> PathBuf {
        self.record(id).with_extension(UNFINISHED)
    }

    /// The ids of all records. Files of other names are none of ours.
    pub(super) fn ids(&self) -> Result<Vec<PlaceId>, StoreError> {
        Ok(self.names()?.iter().filter_map(|name| PlaceId::from_hex(name)).collect())
    }

    fn remove_unfinished(&self) -> Result<(), StoreError> {
        for name in self.names()? {
            let stem = name.strip_suffix(UNFINISHED).and_then(|name| name.strip_suffix('.'));
            if stem.and_then(PlaceId::from_hex).is_some() {
                let path = self.path.join(&name);
                fs::remove_file(&path).map_err(|error| failed("removing", &path, &error))?;
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let cannot = |error: io::Error| failed("reading the folder", &self.path, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(cannot)? {
            names.extend(entry.map_err(cannot)?.file_name().into_string());
        }
        Ok(names)
    }
}

/// A folder that one process at a time has, while this lives. For what is kept where nothing keeps two writers apart, as in
/// a keychain.
#[derive(Debug)]
pub struct FolderLock(#[allow(dead_code, reason = "held, not read")] File);

impl FolderLock {
    /// Makes the folder, for its owner alone, and takes it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process has it, [`StoreError::NotOurs`] when it is not ours to take.
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        make_private(folder)?;
        lock(folder).map(Self)
    }
}

/// The lock goes with the file's handle, so that a process that is killed leaves none behind; what stands in the file
/// is for people.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK);
    let cannot = |error: io::Error| failed("locking", &path, &error);
    let mut options = OpenOptions::new();
    private(options.read(true).write(true).create(true).truncate(false));
    let mut file = not_followed(&mut options).open(&path).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::InUse { path: folder.into(), pid: pid(&file) });
        }
        Err(TryLockError::Error(error)) => return Err(cannot(error)),
    }
    // The lock holds without it, on a full disk too.
    let _ =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Some systems do not let others read a locked file; then nobody knows.
fn pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Makes what is missing. What was there before and is no folder of our own is left as it is: whoever put it there could
/// have our records and our rights go elsewhere.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let cannot = |error: io::Error| failed("making the folder", path, &error);
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.create(path);
    // A symlink that leads nowhere keeps the folder from being made; what it is says more than that.
    #[cfg(unix)]
    if let Ok(metadata) = fs::symlink_metadata(path) {
        own_alone(path, &metadata)?;
    }
    made.map_err(cannot)
}

#[cfg(unix)]
fn own_alone(path: &Path, metadata: &fs::Metadata) -> Result<(), StoreError> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    const OTHERS: u32 = 0o077;
    let not_ours = |reason, advice| Err(StoreError::NotOurs { path: path.into(), reason, advice });
    if metadata.is_symlink() {
        return not_ours(
            "is a symbolic link",
            "point `state.path` at the folder above the one that it leads to",
        );
    }
    if metadata.is_dir() && metadata.uid() != rustix::process::geteuid().as_raw() {
        return not_ours(
            "belongs to another user",
            "give it to the user that runs Bearward, or name another `state.path`",
        );
    }
    // It may have been there before, made by somebody with a wider mind.
    if metadata.is_dir() && metadata.permissions().mode() & OTHERS != 0 {
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(path, private).map_err(|error| failed("making the folder", path, &error))?;
    }
    Ok(())
}

/// A link in the lock's place would have us write into whatever it leads to.
fn not_followed(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags);
    }
    options
}
