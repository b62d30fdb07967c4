#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{self, Write};
use std::sync::Mutex;

use bearward_store::{Expected, Place, Purpose, SecretBytes, Store};
use bearward_token::ManualClock;

use super::*;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

// HARD 19
#[tokio::test]
async fn a_record_that_is_damaged_while_the_server_runs_is_told_within_a_day() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    // With one subscriber alone, another test's thread could decide for all that nobody listens.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);
    let (folder, clock) =
        (tempfile::tempdir().unwrap(), Arc::new(ManualClock::at_unix_ms(1_800_000_000_000)));
    let keys = SealingKeys::parse(&[SealingKey::new("01".repeat(32))]).unwrap();
    let files = SealedFiles::open(folder.path(), keys, clock.clone()).await.unwrap();
    let place = Place {
        tenant: None,
        issuer: "https://idp.example.com".parse().unwrap(),
        subject: None,
        client: "desktop".into(),
        purpose: Purpose::RefreshToken,
        key: [0; 32],
    };
    files.put(&place, SecretBytes::new(b"x".to_vec()), None, Expected::Absent).await.unwrap();
    let _sweeping = Sweeping::of_files(files.clone(), clock.clone());
    fs::write(files.folder().join(place.id().to_string()), "hello").unwrap();
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.text(), "");
    clock.advance(DAY);
    let is_told = async {
        while log.text().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), is_told).await.unwrap();
    assert!(log.text().contains("not a record of a format that this version knows"), "{}", log.text());
}
