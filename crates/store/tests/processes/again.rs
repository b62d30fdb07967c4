//! This very test in another process, and what both processes know.

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bearward_store::{Place, Purpose, SealedFiles, SealingKeys, StoreError};
use bearward_token::{SealingKey, SystemClock};

/// Says to a process that it is the other one.
pub(crate) const ROLE: &str = "BEARWARD_TEST_ROLE";

/// What this process is told to do, if it is the other one.
pub(crate) fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// This program, to run the test of this name as `role`.
pub(crate) fn again(test: &str, role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(ROLE, role);
    command
}

/// Different places for different numbers.
pub(crate) fn place(number: u8) -> Place {
    Place {
        tenant: None,
        issuer: "https://idp.example.com".parse().unwrap(),
        subject: Some("alice".into()),
        client: "desktop".into(),
        purpose: Purpose::RefreshToken,
        key: [number; 32],
    }
}

/// The store of both processes.
pub(crate) async fn open(folder: &Path) -> Result<SealedFiles, StoreError> {
    let keys = SealingKeys::parse([&SealingKey::new("ab".repeat(32))]).unwrap();
    SealedFiles::open(folder, keys, Arc::new(SystemClock::new())).await
}
