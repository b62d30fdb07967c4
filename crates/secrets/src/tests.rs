//! What is on this machine: the environment and files.

use std::fs;

use bearward_token::ClientSecret;

use super::*;
use crate::local::MAX_BYTES;

fn secrets() -> Secrets {
    Secrets::new([("SET".into(), "hunter2".into()), ("EMPTY".into(), String::new())].into())
}

fn read(reference: &SecretRef) -> Result<ClientSecret, SecretError> {
    secrets().read_local(reference).expect("it is on this machine")
}

fn file(content: &[u8]) -> (tempfile::TempDir, SecretRef) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, content).unwrap();
    (folder, SecretRef::File(path))
}

#[tokio::test]
async fn a_secret_is_read_from_where_its_reference_says() {
    assert_eq!(read(&SecretRef::Env("SET".into())).unwrap().expose(), "hunter2");
    for content in [&b"hunter2"[..], b"hunter2\n", b"hunter2\r\n"] {
        let (_folder, reference) = file(content);
        assert_eq!(read(&reference).unwrap().expose(), "hunter2");
        assert_eq!(secrets().read(&reference).await.unwrap().expose(), "hunter2");
        assert_eq!(secrets().version(&reference), Some(read(&reference).unwrap().fingerprint()));
    }
}

#[tokio::test]
async fn who_waits_for_a_file_holds_nobody_up() {
    let (_folder, reference) = file(b"hunter2");
    let secrets = secrets();
    let mut read = Box::pin(secrets.read(&reference));
    assert!(futures_util::poll!(&mut read).is_pending(), "another thread reads it");
    assert_eq!(read.await.unwrap().expose(), "hunter2");
}

#[test]
fn a_file_that_changes_is_used_at_once() {
    let (_folder, reference) = file(b"old");
    let old = read(&reference).unwrap();
    let SecretRef::File(path) = &reference else { unreachable!() };
    fs::write(path, "new").unwrap();
    let new = read(&reference).unwrap();
    assert_eq!((old.expose(), new.expose()), ("old", "new"));
    assert_ne!(old.fingerprint(), new.fingerprint());
}

#[test]
fn what_is_too_long_or_no_file_is_refused_without_reading_it() {
    let longest = usize::try_from(MAX_BYTES).unwrap();
    let (_folder, fits) = file(&vec![b'x'; longest]);
    assert_eq!(read(&fits).unwrap().expose().len(), longest);
    let (_folder, too_long) = file(&vec![b'x'; longest + 1]);
    assert_eq!(read(&too_long).unwrap_err(), SecretError::NotText(too_long));
    let folder = tempfile::tempdir().unwrap();
    let said = read(&SecretRef::File(folder.path().into())).unwrap_err().to_string();
    assert!(said.contains("not a regular file"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_file_that_every_user_may_read_is_told_apart() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, reference) = file(b"x");
    let SecretRef::File(path) = &reference else { unreachable!() };
    for (mode, expected) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(reference.is_readable_by_all(), expected, "{mode:o}");
    }
    assert!(!SecretRef::Env("SET".into()).is_readable_by_all());
}

// HARD 20
#[test]
fn neither_a_reference_nor_an_error_nor_the_source_shows_a_secret() {
    let shown = format!("{:?} {:?}", secrets(), read(&SecretRef::Env("SET".into())));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn what_cannot_be_read_is_named_by_its_reference() {
    let said = |reference: &SecretRef| read(reference).unwrap_err().to_string();
    assert_eq!(said(&SecretRef::Env("UNSET".into())), "environment variable `UNSET` is not set");
    assert_eq!(said(&SecretRef::Env("EMPTY".into())), "environment variable `EMPTY` is empty");
    let (_folder, empty) = file(b"\n");
    assert!(said(&empty).ends_with("is empty"));
    let (_folder, binary) = file(&[0xff, 0xfe]);
    assert!(said(&binary).contains("not a text"));
    assert!(said(&SecretRef::File("/nowhere/secret".into())).contains("cannot be read"));
}

/// As Kubernetes mounts a secret: the file is a symlink through `..data`, which is swapped for another as a whole.
#[cfg(unix)]
struct Mount {
    folder: tempfile::TempDir,
    generation: u32,
}

#[cfg(unix)]
impl Mount {
    fn new(secret: &str) -> Self {
        let mut mount = Self { folder: tempfile::tempdir().unwrap(), generation: 0 };
        mount.swap(secret);
        std::os::unix::fs::symlink("..data/client-secret", mount.folder.path().join("client-secret"))
            .unwrap();
        mount
    }

    /// In the order of the kubelet: the new folder, a new link, one rename, and the old folder goes.
    fn swap(&mut self, secret: &str) {
        let at = |name: &str| self.folder.path().join(name);
        let old = fs::read_link(at("..data")).ok();
        self.generation += 1;
        let new = format!("..2026_11_21_{}", self.generation);
        fs::create_dir(at(&new)).unwrap();
        fs::write(at(&new).join("client-secret"), secret).unwrap();
        std::os::unix::fs::symlink(&new, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        if let Some(old) = old {
            fs::remove_dir_all(self.folder.path().join(old)).unwrap();
        }
    }

    fn reference(&self) -> SecretRef {
        SecretRef::File(self.folder.path().join("client-secret"))
    }
}

#[cfg(unix)]
#[test]
fn a_mounted_secret_of_kubernetes_is_new_as_soon_as_its_symlink_is_swapped() {
    let mut mount = Mount::new("old");
    let reference = mount.reference();
    assert_eq!(read(&reference).unwrap().expose(), "old");
    mount.swap("new");
    assert_eq!(read(&reference).unwrap().expose(), "new");
    assert_eq!(secrets().version(&reference), Some(ClientSecret::new("new").fingerprint()));
}

#[cfg(unix)]
#[test]
fn a_reader_in_the_middle_of_a_swap_has_the_old_secret_or_the_new_one_and_never_half_of_either() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let secret = |letter: char| letter.to_string().repeat(30_000);
    let (old, new) = (secret('o'), secret('n'));
    let mut mount = Mount::new(&old);
    let (reference, is_over) = (mount.reference(), AtomicBool::new(false));
    let reads = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let read = read(&reference).unwrap();
                assert!(read.expose() == old || read.expose() == new);
                reads.push(read.expose() == new);
            }
            reads
        });
        for swap in 0..500 {
            mount.swap(if swap % 2 == 0 { &new } else { &old });
        }
        is_over.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(reads.iter().any(|is_new| *is_new) && reads.iter().any(|is_new| !is_new), "it saw both");
}
