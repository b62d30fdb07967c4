//! A second writer, and a disk that takes no more.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use bearward_store::{Expected, SecretBytes, Store, StoreError};

use crate::again::{ROLE, again, open, place, role};

// HARD 33
#[tokio::test]
async fn a_second_process_is_told_who_has_the_store_and_gets_it_when_that_one_is_killed() {
    if let Some(folder) = role() {
        let _store = open(Path::new(&folder)).await.unwrap();
        println!("\nopen");
        // Until it is killed.
        let _ = std::io::stdin().read(&mut [0]);
        return;
    }
    const TEST: &str =
        "writers::a_second_process_is_told_who_has_the_store_and_gets_it_when_that_one_is_killed";
    let folder = tempfile::tempdir().unwrap();
    let mut command = again(TEST, &folder.path().display().to_string());
    let mut other = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "open"));
    let refused = open(folder.path()).await.unwrap_err();
    assert_eq!(refused, StoreError::InUse { path: folder.path().join("records"), pid: Some(other.id()) });
    other.kill().unwrap();
    other.wait().unwrap();
    open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_disk_that_takes_no_more_is_a_typed_error_and_harms_nothing_that_is_there() {
    if let Some(folder) = role() {
        return write_too_much(Path::new(&folder)).await;
    }
    const TEST: &str = "writers::a_disk_that_takes_no_more_is_a_typed_error_and_harms_nothing_that_is_there";
    let folder = tempfile::tempdir().unwrap();
    // A limit on the size of files stands for the full disk: the system refuses in the same place, and nobody needs to
    // be root. 16 blocks of 512 bytes, or of 1024 by some shells.
    let script = r#"trap "" XFSZ; ulimit -f 16; exec "$0" "$@""#;
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(ROLE, folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

async fn write_too_much(folder: &Path) {
    let store = open(folder).await.unwrap();
    let put = async |length| {
        let secret = SecretBytes::new(vec![b'x'; length]);
        store.put(&place(1), secret, None, Expected::Any).await
    };
    let version = put(100).await.unwrap();
    let error = put(60_000).await.unwrap_err();
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
    assert!(error.to_string().contains("make room; what was stored before is not harmed"), "{error}");
    let record = store.get(&place(1)).await.unwrap().unwrap();
    assert_eq!((record.secret.expose().len(), record.version), (100, version));
    let left = std::fs::read_dir(store.folder()).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(left.filter(|path| path.extension().is_some()).count(), 0, "what was half written is gone");
    put(200).await.unwrap();
}
