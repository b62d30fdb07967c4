//! A real gnome-keyring-daemon on a D-Bus of its own, with a home of its own.

use std::io::Write;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs};

use bearward_store::{Expected, Keychain, SecretBytes, Store, StoreError};
use bearward_testbed::session_bus::{KeychainDaemon, SessionBus};
use bearward_token::SystemClock;

use crate::again::{again, place, role};

/// How long these tests wait for an answer of the keychain.
const LIMIT: Duration = Duration::from_secs(2);

// HARD 14, 20
#[tokio::test]
async fn what_is_put_into_a_real_keychain_is_there_also_after_it_was_started_anew() {
    const TEST: &str =
        "secret_service::what_is_put_into_a_real_keychain_is_there_also_after_it_was_started_anew";
    if role().is_none() {
        return on_own_bus(TEST);
    }
    let running = daemon(true);
    let store = keychain();
    assert_eq!(store.get(&place(1)).await.unwrap(), None);
    let version = put(&store, 1, "one", Expected::Absent).await.unwrap();
    put(&store, 2, "two", Expected::Absent).await.unwrap();
    assert_eq!(text(&store, 1).await, "one");
    assert!(matches!(put(&store, 1, "x", Expected::Absent).await, Err(StoreError::Conflict { .. })));
    put(&store, 1, "three", Expected::Version(version)).await.unwrap();
    store.remove(&place(2)).await.unwrap();
    assert_eq!(store.get(&place(2)).await.unwrap(), None);
    assert!(matches!(put(&store, 2, "late", Expected::Any).await, Err(StoreError::LoggedOut { .. })));

    drop(running);
    let gone = store.get(&place(1)).await.unwrap_err();
    assert!(matches!(gone, StoreError::NoKeychain { .. }), "{gone:?}");
    let running = daemon(true);
    assert_eq!(text(&store, 1).await, "three", "the same store connects anew");
    assert_eq!(store.get(&place(2)).await.unwrap(), None);
    put(&store, 2, "login", Expected::NewLogin).await.unwrap();
    let long = "x".repeat(60_000);
    put(&store, 3, &long, Expected::Absent).await.unwrap();
    assert!(text(&store, 3).await == long);
    drop(running);
}

#[tokio::test]
async fn a_locked_keychain_is_an_error_in_bounded_time() {
    const TEST: &str = "secret_service::a_locked_keychain_is_an_error_in_bounded_time";
    if role().is_none() {
        return on_own_bus(TEST);
    }
    let running = daemon(true);
    put(&keychain(), 1, "one", Expected::Absent).await.unwrap();
    drop(running);
    let _locked = daemon(false);
    let store = keychain();
    let began = Instant::now();
    for error in
        [store.get(&place(1)).await.unwrap_err(), put(&store, 2, "x", Expected::Any).await.unwrap_err()]
    {
        println!("locked: {error}");
        let is_told = matches!(error, StoreError::KeychainLocked { .. } | StoreError::KeychainTimeout { .. });
        assert!(is_told && error.to_string().contains("storage `encrypted`"), "{error:?}");
    }
    assert!(began.elapsed() < LIMIT * 3, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_keychain_that_hangs_is_an_error_in_bounded_time_and_serves_again_when_it_wakes() {
    const TEST: &str =
        "secret_service::a_keychain_that_hangs_is_an_error_in_bounded_time_and_serves_again_when_it_wakes";
    if role().is_none() {
        return on_own_bus(TEST);
    }
    let running = daemon(true);
    let store = keychain();
    put(&store, 1, "one", Expected::Absent).await.unwrap();
    signal(&running, "STOP");
    let began = Instant::now();
    assert_eq!(store.get(&place(1)).await, Err(StoreError::KeychainTimeout { after: LIMIT }));
    assert_eq!(put(&store, 2, "x", Expected::Any).await, Err(StoreError::KeychainTimeout { after: LIMIT }));
    assert!(began.elapsed() < LIMIT * 3, "{:?}", began.elapsed());
    signal(&running, "CONT");
    assert_eq!(text(&store, 1).await, "one");
    assert_eq!(store.get(&place(2)).await.unwrap(), None, "what was given up is not written later");
}

#[tokio::test]
async fn without_a_keychain_or_a_bus_the_error_says_what_to_do_in_bounded_time() {
    const TEST: &str =
        "secret_service::without_a_keychain_or_a_bus_the_error_says_what_to_do_in_bounded_time";
    match role().as_deref() {
        None => {
            on_own_bus(TEST);
            // No bus where it should be, and none named at all.
            let folder = tempfile::tempdir().unwrap();
            let nowhere = format!("unix:path={}", folder.path().join("bus").display());
            run(again(TEST, "no bus").env("DBUS_SESSION_BUS_ADDRESS", nowhere));
            let mut unnamed = again(TEST, "no bus");
            run(unnamed.env_remove("DBUS_SESSION_BUS_ADDRESS").env("XDG_RUNTIME_DIR", folder.path()));
        }
        Some(_) => {
            let began = Instant::now();
            let error = keychain().get(&place(1)).await.unwrap_err();
            println!("none: {error}");
            assert!(matches!(error, StoreError::NoKeychain { .. }), "{error:?}");
            let advice = "start gnome-keyring-daemon";
            let text = error.to_string();
            assert!(text.contains(advice) && text.contains("use storage `encrypted`"), "{text}");
            assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
        }
    }
}

fn keychain() -> Keychain {
    Keychain::system(Arc::new(SystemClock::new())).timeout(LIMIT)
}

async fn put(store: &Keychain, number: u8, text: &str, expected: Expected) -> Result<u64, StoreError> {
    store.put(&place(number), SecretBytes::new(text.into()), None, expected).await
}

async fn text(store: &Keychain, number: u8) -> String {
    store.get(&place(number)).await.unwrap().unwrap().secret.expose_text().unwrap().into()
}

/// Runs the test as another process, which finds a bus that nobody else is on.
fn on_own_bus(test: &str) {
    if !can_run(test) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let bus = SessionBus::start(home.path()).unwrap();
    run(again(test, "on own bus").envs(bus.environment()));
}

/// What it prints is shown when it fails alone: it would be taken for a test's own result.
fn run(command: &mut Command) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(status.success(), "the other process failed: {status}\n{stdout}\n{stderr}");
}

/// Whether the programs are there; when one is not, says so on the terminal and in the list of `cargo xtask test`,
/// which counts what did not run.
fn can_run(test: &str) -> bool {
    let Some(missing) = SessionBus::missing() else { return true };
    let line = format!(
        "bearward-store {test}: there is no {missing}; on Debian: apt-get install dbus gnome-keyring\n"
    );
    eprint!("skipped: {line}");
    if let Some(list) = env::var_os("BEARWARD_TEST_SKIPS") {
        // One write of one short line: tests of other processes append to the same file.
        let list = fs::OpenOptions::new().append(true).create(true).open(list);
        list.unwrap().write_all(line.as_bytes()).unwrap();
    }
    false
}

/// The keychain on this process's bus.
fn daemon(is_unlocked: bool) -> KeychainDaemon {
    SessionBus::of_environment().unwrap().keychain(is_unlocked).unwrap()
}

fn signal(daemon: &KeychainDaemon, name: &str) {
    run(Command::new("kill").args(["-s", name, &daemon.id().to_string()]));
}
