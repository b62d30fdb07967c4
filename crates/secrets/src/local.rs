//! Secrets of this machine: environment variables and files, read anew for each use.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use bearward_token::ClientSecret;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::{SecretError, SecretRef};

/// Longest secret, in bytes; what is longer is some other file.
pub(crate) const MAX_BYTES: u64 = 64 * 1024;

/// So many swaps in a row may hit one reader; what cannot be read after that is not there.
const SWAPS: u32 = 20;

/// The environment as it was taken at start, so that nothing else of the program reads it; and the file system.
pub(crate) struct Local {
    environment: HashMap<String, String>,
}

impl Local {
    pub(crate) fn new(environment: HashMap<String, String>) -> Self {
        Self { environment }
    }

    pub(crate) fn variable(&self, name: &str) -> Result<ClientSecret, SecretError> {
        let text = self.environment.get(name).ok_or_else(|| SecretError::NotSet(name.to_owned()))?;
        usable(&SecretRef::Env(name.to_owned()), Zeroizing::new(text.clone()))
    }

    /// Waits for a file on a thread of its own: its disk may be slow, or a network's, and many tasks share this one.
    pub(crate) async fn read(&self, reference: &SecretRef) -> Result<ClientSecret, SecretError> {
        match reference {
            SecretRef::Env(name) => self.variable(name),
            SecretRef::File(path) => {
                let (path, ending) = (path.clone(), "the program is ending".to_owned());
                let unread = SecretError::Unreadable { path: path.clone(), reason: ending };
                spawn_blocking(move || file(&path)).await.unwrap_or(Err(unread))
            }
            remote => Err(SecretError::NotLocal(remote.clone())),
        }
    }
}

/// What is in a file. Holds the thread up for as long as the disk takes.
pub(crate) fn file(path: &Path) -> Result<ClientSecret, SecretError> {
    let reference = SecretRef::File(path.to_owned());
    // Who swaps a symlink removes what it led to: whoever had followed it half way finds the new one.
    let mut read = read_file(&reference, path);
    for _ in 0..SWAPS {
        if !matches!(read, Err(SecretError::Unreadable { .. })) {
            break;
        }
        read = read_file(&reference, path);
    }
    usable(&reference, read?)
}

/// What is empty was meant to be something else, and so was what is far too long.
pub(crate) fn usable(
    reference: &SecretRef,
    mut text: Zeroizing<String>,
) -> Result<ClientSecret, SecretError> {
    if text.is_empty() {
        return Err(SecretError::Empty(reference.clone()));
    }
    if text.len() as u64 > MAX_BYTES {
        return Err(SecretError::NotText(reference.clone()));
    }
    Ok(ClientSecret::new(std::mem::take(&mut *text)))
}

/// Opened once and read to its end: whoever swaps the path meanwhile changes what the next one reads. Copies that are
/// made along the way are wiped (HARD 20).
fn read_file(reference: &SecretRef, path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let unreadable = |reason: String| SecretError::Unreadable { path: path.into(), reason };
    let not_text = || SecretError::NotText(reference.clone());
    let metadata = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !metadata.is_file() {
        // A pipe or a device could hold up whoever reads it, and has nothing left for the second reader.
        return Err(unreadable("it is not a regular file".into()));
    }
    if metadata.len() > MAX_BYTES {
        return Err(not_text());
    }
    // All of the room at once: a buffer that grows leaves copies behind. One byte more shows the end.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_BYTES + 1).unwrap_or(0)));
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(not_text());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| not_text())?;
    let text = text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(unix)]
pub(crate) fn others_may_read(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    const READ_BY_OTHERS: u32 = 0o004;
    metadata.permissions().mode() & READ_BY_OTHERS != 0
}

#[cfg(not(unix))]
pub(crate) fn others_may_read(_: &fs::Metadata) -> bool {
    false
}
