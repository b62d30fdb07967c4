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
    assert_eq!(secrets().read(&reference).unwrap().expose(), "old");
    let SecretRef::File(path) = &reference else { unreachable!() };
    fs::write(path, "new").unwrap();
    assert_eq!(secrets().read(&reference).unwrap().expose(), "new");
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
