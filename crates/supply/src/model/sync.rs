//! What `crate::sync` names in the model: shuttle's own, or tokio's and arc-swap's with a switch before each use.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::{ArcSwapOption, Guard};
use shuttle::sync::atomic::AtomicUsize;

pub(crate) use shuttle::future::{AbortHandle, spawn};
pub(crate) use shuttle::sync::{Mutex, MutexGuard};

/// Touching it lets another task run.
#[derive(Debug, Default)]
struct Crossing(AtomicUsize);

impl Crossing {
    fn cross(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Every look at the slot and every change of it is one step.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    inner: ArcSwapOption<T>,
    crossing: Crossing,
}

impl<T> Slot<T> {
    pub(crate) fn empty() -> Self {
        Self { inner: ArcSwapOption::empty(), crossing: Crossing::default() }
    }

    pub(crate) fn load(&self) -> Guard<Option<Arc<T>>> {
        self.crossed().load()
    }

    pub(crate) fn load_full(&self) -> Option<Arc<T>> {
        self.crossed().load_full()
    }

    pub(crate) fn store(&self, new: Option<Arc<T>>) {
        self.crossed().store(new);
    }

    pub(crate) fn swap(&self, new: Option<Arc<T>>) -> Option<Arc<T>> {
        self.crossed().swap(new)
    }

    pub(crate) fn compare_and_swap(&self, old: &Arc<T>, new: Option<Arc<T>>) -> Guard<Option<Arc<T>>> {
        self.crossed().compare_and_swap(old, new)
    }

    fn crossed(&self) -> &ArcSwapOption<T> {
        self.crossing.cross();
        &self.inner
    }
}

/// Wakes the keeper.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    inner: tokio::sync::Notify,
    crossing: Crossing,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notify_one(&self) {
        self.crossing.cross();
        self.inner.notify_one();
    }

    pub(crate) async fn notified(&self) {
        self.crossing.cross();
        self.inner.notified().await;
    }
}

/// Wakes callers.
pub(crate) mod watch {
    use super::Crossing;

    pub(crate) use tokio::sync::watch::Receiver;

    #[derive(Debug)]
    pub(crate) struct Sender<T> {
        inner: tokio::sync::watch::Sender<T>,
        crossing: Crossing,
    }

    pub(crate) fn channel<T>(first: T) -> (Sender<T>, Receiver<T>) {
        let (inner, receiver) = tokio::sync::watch::channel(first);
        (Sender { inner, crossing: Crossing::default() }, receiver)
    }

    impl<T> Sender<T> {
        pub(crate) fn subscribe(&self) -> Receiver<T> {
            self.crossing.cross();
            self.inner.subscribe()
        }

        pub(crate) fn send_modify(&self, modify: impl FnOnce(&mut T)) {
            self.crossing.cross();
            self.inner.send_modify(modify);
        }
    }
}
