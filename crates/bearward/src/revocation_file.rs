//! Watches a file of revocations: JSON Lines, one a line, empty lines and lines that begin with `#` left out.
//!
//! It is looked at every second rather than by notices of the file system, which mounted volumes do not give. A file
//! that cannot be read changes nothing: what was revoked stays revoked.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bearward_guard::Revocations;
use bearward_guard::revocation::{MOST, Revocation, Source};
use bearward_observe::{Condition, Probe};
use bearward_token::Clock;
use tokio::task::JoinHandle;

const INTERVAL: Duration = Duration::from_secs(1);
/// Longest file, in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The watched file. Watching ends when this is dropped.
pub(crate) struct RevocationFile {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    path: PathBuf,
    revocations: Arc<Revocations>,
    /// Why the file as it is now does not count; `None`: it does.
    failure: Mutex<Option<String>>,
}

/// What tells one state of a file from another.
type Stamp = Option<(SystemTime, u64)>;

impl RevocationFile {
    /// Reads the file at once, so that no request comes before its word, and goes on watching it. Must be called within
    /// a tokio runtime.
    pub(crate) fn watch(path: PathBuf, revocations: Arc<Revocations>, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared { path, revocations, failure: Mutex::default() });
        let seen = shared.look();
        let task = tokio::spawn(watch(shared.clone(), clock, seen));
        Self { shared, task }
    }
}

impl Drop for RevocationFile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Probe for RevocationFile {
    fn name(&self) -> String {
        format!("revocations in {}", self.shared.path.display())
    }

    fn condition(&self) -> Condition {
        match &*self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Condition::Ready,
            Some(reason) => Condition::Down { reason: reason.clone() },
        }
    }
}

async fn watch(shared: Arc<Shared>, clock: Arc<dyn Clock>, mut seen: Stamp) {
    loop {
        clock.sleep(INTERVAL).await;
        let looking = {
            let shared = shared.clone();
            move || if stamp(&shared.path) == seen { seen } else { shared.look() }
        };
        // Long files on slow volumes must not hold up requests. A look that panics is repeated.
        seen = tokio::task::spawn_blocking(looking).await.unwrap_or(None);
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Shared {
    /// Takes the file in as it is now; what it was then.
    fn look(&self) -> Stamp {
        let stamp = stamp(&self.path);
        let outcome = self.read();
        if let Err(reason) = &outcome {
            tracing::warn!(file = %self.path.display(), reason, "revocations not read; those known stay");
        }
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = outcome.err();
        stamp
    }

    fn read(&self) -> Result<(), String> {
        let length = std::fs::metadata(&self.path).map_err(|error| error.to_string())?.len();
        if length > MAX_BYTES {
            return Err(format!("it is longer than {MAX_BYTES} bytes"));
        }
        let text = std::fs::read_to_string(&self.path).map_err(|error| error.to_string())?;
        let mut lines = Vec::new();
        let mut all = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let one: Revocation =
                serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))?;
            all.push(one);
            lines.push(number + 1);
        }
        let place = |at: usize| {
            lines.get(at).map_or_else(|| format!("more than {MOST}"), |line| format!("line {line}"))
        };
        self.revocations.replace(Source::File, &all).map_err(|(at, error)| format!("{}: {error}", place(at)))
    }
}

#[cfg(test)]
mod tests {
    use bearward_token::ManualClock;

    use super::*;

    /// Lets the watcher look until its condition is the one that `is_wanted`; fails after two thousand looks.
    async fn until(file: &RevocationFile, clock: &ManualClock, is_wanted: impl Fn(&Condition) -> bool) {
        for _ in 0..2000 {
            if is_wanted(&file.condition()) {
                return;
            }
            clock.advance(INTERVAL);
            // The look itself is a blocking thread's, in real time.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("still {:?}", file.condition());
    }

    fn is_down(because: &str) -> impl Fn(&Condition) -> bool {
        move |condition| matches!(condition, Condition::Down { reason } if reason.contains(because))
    }

    fn ids(revocations: &Revocations) -> Vec<String> {
        let mut ids: Vec<_> = revocations.list().into_iter().filter_map(|(_, one)| one.jti).collect();
        ids.sort();
        ids
    }

    #[tokio::test]
    async fn a_file_that_changes_is_taken_and_a_bad_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked.jsonl");
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let revocations = Arc::new(Revocations::new(clock.clone()));
        let file = RevocationFile::watch(path.clone(), revocations.clone(), clock.clone());
        assert!(is_down("")(&file.condition()), "what is not there says nothing");

        std::fs::write(&path, "# leaked\n{\"jti\": \"a\"}\n\n{\"jti\": \"b\"}\n").unwrap();
        until(&file, &clock, |condition| *condition == Condition::Ready).await;
        assert_eq!(ids(&revocations), ["a", "b"]);

        std::fs::write(&path, "{\"jti\": \"c\"}\n{\"jit\": \"typing error\"}\n").unwrap();
        until(&file, &clock, is_down("line 2")).await;
        assert_eq!(ids(&revocations), ["a", "b"]);

        std::fs::write(&path, "{\"jti\": \"c\"}\n").unwrap();
        until(&file, &clock, |condition| *condition == Condition::Ready).await;
        assert_eq!(ids(&revocations), ["c"]);
    }
}
