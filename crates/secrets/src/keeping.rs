//! Looks after what came from stores on the network while nobody asks for it: Vault's token is renewed before it ends,
//! and what has changed is noticed.
//!
//! ```text
//! look ─► Vault's token: two thirds of its lease are over? renew it; it has ended? log in
//!      └► each secret that somebody has asked for: old? read it
//!      ... ten seconds, or less when the token is due sooner
//! ```
//! Without it a token that nobody uses dies, and a secret id that may be used once cannot log in anew.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::AbortHandle;

use crate::Secrets;

/// So often it looks. What is fresh costs nothing then.
const LOOK: Duration = Duration::from_secs(10);
/// A lease of seconds must not keep a processor busy.
const PAUSE_AT_LEAST: Duration = Duration::from_secs(1);

/// Looks after secrets until it is dropped.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Keeping(AbortHandle);

impl Keeping {
    /// What fails is told in the log and by [`Secrets::troubles`], and tried again.
    pub(crate) fn start(secrets: Secrets) -> Self {
        let keep = async move {
            loop {
                let pause = secrets.look().await;
                secrets.clock().sleep(pause).await;
            }
        };
        Self(tokio::spawn(keep).abort_handle())
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Secrets {
    /// Answers with how long nothing needs to be looked at.
    async fn look(&self) -> Duration {
        let sources = self.sources();
        let due = match &sources.vault {
            Some(vault) => vault.keep(&sources.local).await,
            None => None,
        };
        let known: Vec<_> = self.all_kept();
        join_all(known.iter().map(|(reference, _)| self.read(reference))).await;
        due.map_or(LOOK, |due| due.clamp(PAUSE_AT_LEAST, LOOK))
    }
}
