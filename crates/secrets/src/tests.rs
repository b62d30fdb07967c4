use super::*;

fn secrets() -> Secrets {
    Secrets::new([("SET".into(), "hunter2".into()), ("EMPTY".into(), String::new())].into())
}

fn file(content: &[u8]) -> (tempfile::TempDir, SecretRef) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, content).unwrap();
    (folder, SecretRef::File(path))
}

#[test]
fn a_secret_is_read_from_where_its_reference_says() {
    assert_eq!(secrets().read(&SecretRef::Env("SET".into())).unwrap().expose(), "hunter2");
    for content in [&b"hunter2"[..], b"hunter2\n", b"hunter2\r\n"] {
        let (_folder, reference) = file(content);
        assert_eq!(secrets().read(&reference).unwrap().expose(), "hunter2");
    }
}

#[test]
fn a_file_that_changes_is_used_at_once() {
    let (_folder, reference) = file(b"old");
    let old = secrets().read(&reference).unwrap();
    let SecretRef::File(path) = &reference else { unreachable!() };
    fs::write(path, "new").unwrap();
    let new = secrets().read(&reference).unwrap();
    assert_eq!((old.expose(), new.expose()), ("old", "new"));
    assert_ne!(old.fingerprint(), new.fingerprint());
}

#[test]
fn what_is_too_long_or_no_file_is_refused_without_reading_it() {
    let longest = usize::try_from(MAX_BYTES).unwrap();
    let (_folder, fits) = file(&vec![b'x'; longest]);
    assert_eq!(secrets().read(&fits).unwrap().expose().len(), longest);
    let (_folder, too_long) = file(&vec![b'x'; longest + 1]);
    assert_eq!(secrets().read(&too_long).unwrap_err(), SecretError::NotText(too_long));
    let folder = tempfile::tempdir().unwrap();
    let said = secrets().read(&SecretRef::File(folder.path().into())).unwrap_err().to_string();
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
    let shown = format!("{:?} {:?}", secrets(), secrets().read(&SecretRef::Env("SET".into())));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn what_cannot_be_read_is_named_by_its_reference() {
    let said = |reference: &SecretRef| secrets().read(reference).unwrap_err().to_string();
    assert_eq!(said(&SecretRef::Env("UNSET".into())), "environment variable `UNSET` is not set");
    assert_eq!(said(&SecretRef::Env("EMPTY".into())), "environment variable `EMPTY` is empty");
    let (_folder, empty) = file(b"\n");
    assert!(said(&empty).ends_with("is empty"));
    let (_folder, binary) = file(&[0xff, 0xfe]);
    assert!(said(&binary).contains("not a text"));
    assert!(said(&SecretRef::File("/nowhere/secret".into())).contains("cannot be read"));
}
