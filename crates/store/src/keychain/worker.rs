//! The one thread that speaks to the keychain, since every call may wait for a person.
//!
//! It is never waited for: a call that hangs holds up those behind it, each of which ends by its own time limit, and
//! when the keychain answers at last, whatever nobody waits for any more is left undone.

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use keyring_core::CredentialStore;
use tokio::sync::oneshot;

use super::item::Items;
use crate::{StoreError, Storing};

/// So many calls may wait for the thread.
const QUEUE: usize = 256;

/// Connects to the keychain.
pub(super) type Opens = Arc<dyn Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send + Sync>;

type Job = Box<dyn FnOnce(&mut Items) + Send>;

pub(super) struct Worker {
    opens: Opens,
    /// Started by the first call. Ends when this is dropped and it has nothing left to do.
    queue: Mutex<Option<SyncSender<Job>>>,
}

/// Whoever waits for an answer.
pub(super) struct Caller(Arc<()>);

impl Caller {
    /// True when nobody does any more.
    pub(super) fn is_gone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Worker {
    pub(super) fn new(opens: Opens) -> Self {
        Self { opens, queue: Mutex::default() }
    }

    /// Hands the work to the thread now. Dropping the future gives the work up, unless its write has begun.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Items, &Caller) -> Result<T, StoreError> + Send + 'static,
    ) -> Storing<'static, T> {
        let waits = Arc::new(());
        let caller = Caller(waits.clone());
        let (answers, answer) = oneshot::channel();
        let queued = self.queue(Box::new(move |items| {
            if !caller.is_gone() {
                // Nobody may wait for it any more; then it goes.
                let _ = answers.send(work(items, &caller));
            }
        }));
        Box::pin(async move {
            queued?;
            let answer = answer.await.unwrap_or(Err(StoreError::Stopped));
            drop(waits);
            answer
        })
    }

    fn queue(&self, job: Job) -> Result<(), StoreError> {
        let failed = |reason: String| StoreError::Keychain { reason };
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let queued = match &*queue {
            Some(queue) => queue.try_send(job),
            None => Err(TrySendError::Disconnected(job)),
        };
        match queued {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                Err(failed("it has not answered for a while, and too many calls wait for it".into()))
            }
            // Not started yet, or ended by a panic in code that is not ours.
            Err(TrySendError::Disconnected(job)) => {
                let started = start(self.opens.clone()).map_err(|error| failed(error.to_string()))?;
                let queued = started.try_send(job);
                *queue = Some(started);
                queued.map_err(|_| StoreError::Stopped)
            }
        }
    }
}

fn start(opens: Opens) -> std::io::Result<SyncSender<Job>> {
    let (jobs, queue) = sync_channel::<Job>(QUEUE);
    std::thread::Builder::new().name("keychain".into()).spawn(move || {
        let mut items = Items::new(opens);
        while let Ok(job) = queue.recv() {
            job(&mut items);
        }
    })?;
    Ok(jobs)
}
