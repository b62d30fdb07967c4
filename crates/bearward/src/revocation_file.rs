//! Watches a file of revocations: JSON Lines, one a line, empty lines and lines that begin with `#` left out.
//!
//! It is looked at every second rather than by notices of the file system, which mounted volumes do not give. A file
//! that cannot be read changes nothing: what was revoked stays revoked.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    clock: Arc<dyn Clock>,
    /// From when on those lines count that do not say it: since they were first seen.
    since: Mutex<HashMap<Revocation, u64>>,
    /// Why the file as it is now does not count; `None`: it does.
    failure: Mutex<Option<String>>,
}

/// What tells one state of a file from another.
type Stamp = Option<(SystemTime, u64)>;

impl RevocationFile {
    /// Reads the file at once, so that no request comes before its word, and goes on watching it. Must be called within
    /// a tokio runtime.
    pub(crate) fn watch(path: PathBuf, revocations: Arc<Revocations>, clock: Arc<dyn Clock>) -> Self {
        let (since, failure) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { path, revocations, clock, since, failure });
        let seen = shared.look();
        let task = tokio::spawn(watch(shared.clone(), seen));
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

async fn watch(shared: Arc<Shared>, mut seen: Stamp) {
    loop {
        shared.clock.sleep(INTERVAL).await;
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
        let (text, written) = self.text().map_err(|error| error.to_string())?;
        if text.len() as u64 > MAX_BYTES {
            return Err(format!("it is longer than {MAX_BYTES} bytes"));
        }
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
        let since = self.date(&mut all, written);
        let place = |at: usize| {
            lines.get(at).map_or_else(|| format!("more than {MOST}"), |line| format!("line {line}"))
        };
        let replaced = self.revocations.replace(Source::File, &all);
        replaced.map_err(|(at, error)| format!("{}: {error}", place(at)))?;
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
        Ok(())
    }

    /// All of it, and when it was last written. Asked after reading, so that it is no earlier than what was read.
    fn text(&self) -> std::io::Result<(String, u64)> {
        let mut text = String::new();
        let mut file = File::open(&self.path)?;
        file.by_ref().take(MAX_BYTES + 1).read_to_string(&mut text)?;
        let written = file.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok((text, written.as_secs()))
    }

    /// Gives every line about a subject its moment. One that does not say it means when the file was written in which it
    /// was first seen: neither another line nor a restart makes it reach further.
    fn date(&self, all: &mut [Revocation], written: u64) -> HashMap<Revocation, u64> {
        // A file from the future would end tokens that are yet to be issued.
        let written = written.min(self.clock.unix_seconds());
        let known = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let undated = all.iter_mut().filter(|one| one.sub.is_some() && one.issued_before.is_none());
        let date = |one: &mut Revocation| {
            // Its end is not what makes it the same.
            let line = Revocation { until: None, ..one.clone() };
            // A token that was issued within the very second may be the older one.
            let since = known.get(&line).copied().unwrap_or(written + 1);
            one.issued_before = Some(since);
            (line, since)
        };
        undated.map(date).collect()
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

    /// When the only subject's tokens that are revoked must have been issued before.
    fn since(revocations: &Revocations) -> Option<u64> {
        revocations.list().into_iter().find_map(|(_, one)| one.issued_before)
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
    #[tokio::test]
    async fn a_line_without_an_end_counts_as_long_as_it_stands_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked.jsonl");
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let revocations = Arc::new(Revocations::new(clock.clone()));
        std::fs::write(&path, "{\"jti\": \"a\"}\n").unwrap();
        let file = RevocationFile::watch(path.clone(), revocations.clone(), clock.clone());
        clock.advance(Duration::from_secs(400 * 24 * 3600));
        assert_eq!(ids(&revocations), ["a"]);
        std::fs::write(&path, "").unwrap();
        for _ in 0..2000 {
            if ids(&revocations).is_empty() {
                return;
            }
            clock.advance(INTERVAL);
            // The look itself is a blocking thread's, in real time.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it does not stand there any more: {:?}", file.condition());
    }

    #[tokio::test]
    async fn a_subjects_line_keeps_the_moment_when_it_was_first_seen() {
        const WRITTEN: u64 = 1_790_000_000;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked.jsonl");
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let write = |text: &str, at: u64| {
            std::fs::write(&path, text).unwrap();
            let at = UNIX_EPOCH + Duration::from_secs(at);
            File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        };
        let revocations = Arc::new(Revocations::new(clock.clone()));
        let file = || RevocationFile::watch(path.clone(), revocations.clone(), clock.clone());
        write("{\"sub\": \"alice\"}\n", WRITTEN);
        let first = file();
        assert_eq!(since(&revocations), Some(WRITTEN + 1), "not when it was read");

        write("{\"jti\": \"a\"}\n{\"until\": 1900000000, \"sub\": \"alice\"}\n", WRITTEN + 100);
        first.shared.look();
        assert_eq!((since(&revocations), ids(&revocations).len()), (Some(WRITTEN + 1), 1), "another line");
        write("nonsense\n", WRITTEN + 150);
        first.shared.look();
        write("{\"sub\": \"alice\"}\n", WRITTEN + 200);
        first.shared.look();
        assert_eq!(since(&revocations), Some(WRITTEN + 1), "one that could not be read changes nothing");

        write("", WRITTEN + 300);
        first.shared.look();
        write("{\"sub\": \"alice\"}\n", WRITTEN + 400);
        first.shared.look();
        assert_eq!(since(&revocations), Some(WRITTEN + 401), "a new one, after the old one was gone");

        write("{\"sub\": \"alice\"}\n", WRITTEN + 500);
        let _restarted = file();
        assert_eq!(since(&revocations), Some(WRITTEN + 501), "a restart");
        write("{\"sub\": \"bob\"}\n", 1_900_000_000);
        first.shared.look();
        assert_eq!(since(&revocations), Some(1_800_000_001), "a file from the future means now");
    }
}
